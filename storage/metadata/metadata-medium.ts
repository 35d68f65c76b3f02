/**
 * Where a metadata store keeps its content: the only part in which the implementations differ.
 *
 * A medium is told changes one after the other and makes each durable whole. It decides nothing: what a
 * transaction means is settled before it sees it.
 */

import type { Snapshot } from '../metadata-store.ts'
import type { Change } from './metadata-view.ts'

export interface MetadataMedium {
  /** Opens or creates. The content of the last durable change, in any order; revision 0 if there is none. */
  load(): Promise<Snapshot>

  /**
   * Resolves when the change is durable. Called again only after the promise has settled.
   * Rejects with StorageError NO_SPACE if nothing was written (the medium stays good), or WRITE_FAILED
   * if the write was begun: then whether the change will be there after a restart is not known, and the
   * medium is never written again. An urgent change may use free space that is kept back for it.
   */
  write(change: Change, isUrgent: boolean): Promise<void>

  /** Releases everything, also after a `load` that failed or never was. Called once, after the last write. */
  close(): Promise<void>
}
