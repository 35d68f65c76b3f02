/**
 * The administrator's key of every broker that a bench starts: put where the broker finds it at its first start, and
 * given to the clients of the bench through the environment, which their processes inherit.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecretFile } from '../../broker/access/secret-file.ts'

/** No secret: it opens what benches have made and nothing else. */
export const ADMIN_KEY = `oct_${'bench123'.repeat(2)}_${'A'.repeat(43)}`

/** Brokers of benches know no other key than this, so that one is not of use here. */
export function useAdminKey(): void {
  process.env.OCTOPUS_TOKEN = ADMIN_KEY
  delete process.env.OCTOPUS_TOKEN_FILE
}

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
