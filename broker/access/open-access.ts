/** Access control of a node, as its configuration and its data directory have it. */
import type { Logger } from 'pino'
import type { Config } from '../config/schema.ts'
import type { WatchedStorage } from '../disk/watched-storage.ts'
import type { NodeStorage } from '../node-storage.ts'
import type { Tally } from '../observability/tally.ts'
import type { SystemPorts } from '../system-ports.ts'
import { AccessControl } from './access-control.ts'
import { provisionAdminKey } from './admin-key.ts'

/** How the log says where wrong credentials come from, or at what they are aimed. */
const GUESSING = {
  address: { field: 'remoteAddress', sentence: 'many wrong credentials come from one address' },
  user: {
    field: 'user',
    sentence: 'many wrong credentials come from a user who has come in with a good one',
  },
  key: { field: 'keyId', sentence: 'many wrong secrets are tried for one API key' },
} as const

/** Who may do what, and on the first start the key with which somebody can say so. */
export async function openAccess(
  {
    config,
    clock,
    timers,
    random,
    fetch,
    files,
    logger,
  }: SystemPorts & { readonly config: Config; readonly logger: Logger },
  { adminKeyFile, clusterId }: NodeStorage,
  store: WatchedStorage['metadata'],
  tally: Tally,
  onChanged: () => void,
): Promise<AccessControl> {
  const access = await AccessControl.open({
    store,
    settings: config.auth,
    ownName: `octopus:${clusterId}`,
    clock,
    timers,
    random,
    fetch,
    readSecretFile: (path) => Buffer.from(files.read(path)).toString('utf8'),
    onChanged,
    onProblem: (error) => logger.error({ err: error }, 'access control met an unexpected error'),
    onTrouble: (sentence) =>
      logger.warn({ reason: sentence }, 'credentials cannot be checked as they should'),
    onGuess: (isThrottled) => {
      tally.wrongCredentials++
      if (isThrottled) tally.throttledCredentials++
    },
    onGuessing: ({ kind, source, refusals }) =>
      logger.warn({ [GUESSING[kind].field]: source, refusals }, GUESSING[kind].sentence),
  })
  await access.namespaces.finishDeletions()
  const outcome = await provisionAdminKey({ file: adminKeyFile, store, keys: access.keys, clock, random })
  if (outcome !== 'known')
    logger.info(
      { file: adminKeyFile.path, outcome },
      'the first start: the key of the administrator is in this file',
    )
  return access
}
