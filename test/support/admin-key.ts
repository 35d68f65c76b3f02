/**
 * The administrator's key of every broker that tests start: put where a broker finds it at its first start, as an
 * operator would, and given to clients through the environment, as people do.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecretFile } from '../../broker/access/secret-file.ts'

/** No secret: it opens what tests have made and nothing else. */
export const ADMIN_KEY = `oct_${'test'.repeat(4)}_${'A'.repeat(43)}`

/** For what is asked over HTTP. */
export const adminHeaders = { authorization: `Bearer ${ADMIN_KEY}` }

process.env.OCTOPUS_TOKEN ??= ADMIN_KEY

export async function provisionAdminKey(dataDirectory: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true })
  await writeFile(join(dataDirectory, 'admin.key'), `${ADMIN_KEY}\n`, { mode: 0o600 })
}

/** For nodes without a directory. */
export const adminKeyInMemory: SecretFile = {
  path: 'memory',
  read: async () => ADMIN_KEY,
  write: async () => {
    throw new Error('it is there already')
  },
}
