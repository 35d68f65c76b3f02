/** What a connection and the dispatcher are given by the server they belong to. */
import type { Logger } from 'pino'
import type { Frame } from '../../client/protocol/frame.ts'
import type { Sessions } from '../access/sessions.ts'
import type { Tally } from '../observability/tally.ts'
import type { Clock } from '../ports.ts'
import type { Connection } from './connection.ts'
import type { ServerLimits } from './limits.ts'

export interface ConnectionHost {
  readonly limits: ServerLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly tally: Tally
  readonly sessions: Pick<Sessions, 'open' | 'close'>
  dispatch(connection: Connection, frame: Frame): void
}
