/** Whom a command trusts to vouch for a broker: what the system trusts, or the certificates of one file instead. */
import { readFileSync } from 'node:fs'
import type { TlsOptions } from '../../client/index.ts'
import type { CommandContext } from './context.ts'
import { usage } from './failure.ts'

/**
 * The file of the flag, else of OCTOPUS_CA_FILE. The variable may be set for all brokers together, so that it says
 * nothing about one in plain text; with the flag somebody expects TLS. Throws a usage failure.
 */
export function trustedIssuers(
  flag: string | undefined,
  url: string,
  env: CommandContext['env'],
): TlsOptions {
  const path = flag ?? (env.OCTOPUS_CA_FILE || undefined)
  if (path === undefined) return {}
  const from = flag === undefined ? 'OCTOPUS_CA_FILE' : '--ca-file'
  if (!/^wss:/i.test(url)) {
    if (flag === undefined) return {}
    throw usage(`--ca-file: ${url} is not encrypted; the address of a broker with TLS begins with wss://`)
  }
  let ca: Buffer
  try {
    ca = readFileSync(path)
  } catch (error) {
    throw usage(`${from}: ${path} cannot be read: ${(error as Error).message}`)
  }
  if (ca.includes('CERTIFICATE-----')) return { ca }
  throw usage(`${from}: ${path} holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----")`)
}
