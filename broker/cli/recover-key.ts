/**
 * `octopus key recover`: another key of the administrator for whoever has lost his, written into the metadata of a
 * data directory no broker has open. Who can write there is the administrator anyhow.
 */
import { ADMINISTRATOR_NAME, ADMINISTRATOR_ROLE } from '../../auth/principal.ts'
import { createLmdbMetadataStore } from '../../storage/metadata/lmdb-metadata-store.ts'
import type { MetadataStore } from '../../storage/metadata-store.ts'
import { MetadataApiKeyStore } from '../access/api-key-store.ts'
import { MetadataValueError } from '../metadata-json.ts'
import { type SystemPorts, systemPorts } from '../system-ports.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'
import { withDataDirectory } from './offline.ts'
import { type SecretFlags, showSecret } from './secret-output.ts'

interface RecoverFlags extends SecretFlags {
  readonly data: string
}

const CLOSE_PATIENCE_MS = 2_000

export function recover(flags: RecoverFlags, context: CommandContext): Promise<number> {
  const ports = systemPorts()
  return withDataDirectory(flags.data, ports, context, async ({ metadataPath }) => {
    const store = createLmdbMetadataStore({
      path: metadataPath,
      closePatience: () => new Promise((resolve) => ports.timers.after(CLOSE_PATIENCE_MS, resolve)),
      onListenerError: throwIt,
    })
    await store.open()
    try {
      await showSecret(flags, context, () => recoveredKey(store, ports))
    } finally {
      await store.close()
    }
    return ExitCode.OK
  })
}

/** Written also where the disk is full: it may be what there is to do about it. Rejects with StorageError or Failure. */
export async function recoveredKey(store: MetadataStore, { clock, timers, random }: SystemPorts) {
  const keys = await MetadataApiKeyStore.open({
    store,
    clock,
    timers,
    random,
    keysMax: Number.POSITIVE_INFINITY,
    onSecrets: () => {},
    onRevoked: () => {},
    onProblem: throwIt,
  }).catch((error) => {
    throw error instanceof MetadataValueError
      ? new Failure(ExitCode.DAMAGED, error.message, { cause: error })
      : error
  })
  try {
    const wanted = {
      principal: ADMINISTRATOR_NAME,
      name: 'recovered',
      expiresAtMs: null,
      groups: [],
      roles: [ADMINISTRATOR_ROLE],
      scope: null,
    }
    const { id, token } = await keys.create(wanted, { isUrgent: true })
    const sentence = `key ${id} of user:${ADMINISTRATOR_NAME}, good from the next start of the broker; revoke the one that was lost`
    return { secret: token, fields: { keyId: id, key: token, principal: ADMINISTRATOR_NAME }, sentence }
  } finally {
    await keys.close()
  }
}

function throwIt(error: unknown): never {
  throw error
}
