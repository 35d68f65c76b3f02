/**
 * Files of the configuration that hold a secret and may be read by everybody on this machine: one sentence each, for
 * the log. The group is left alone: that a service may read the key of its certificate is as a rule the group's doing.
 * They are told of and not refused, since what is mounted into a container often cannot have other rights. Pure.
 */
import type { Config } from './schema.ts'

const EVERYBODY = 0o004

/** @param modeOf permission bits of a file; undefined where there are none to tell */
export function readableSecrets(
  { tls, auth }: Pick<Config, 'tls' | 'auth'>,
  modeOf: (path: string) => number | undefined,
): string[] {
  const files = [
    { key: 'tls.key', path: tls.key },
    { key: 'auth.introspection.clientSecretFile', path: auth.introspection?.clientSecretFile },
  ]
  return files.flatMap(({ key, path }) => {
    const mode = path === undefined ? undefined : modeOf(path)
    if (mode === undefined || (mode & EVERYBODY) === 0) return []
    const written = mode.toString(8).padStart(4, '0')
    return [`${key}: everybody on this machine may read ${path} (mode ${written}); chmod o-r ${path}`]
  })
}
