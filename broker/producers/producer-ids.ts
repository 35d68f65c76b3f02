/**
 * Gives out producer ids, none of them ever twice: they come from blocks that are this node's once metadata
 * says so, durably. What is left of a block when the node dies is lost, which nobody minds.
 *
 * An id says by itself whether its producer has a name: odd ones have. So a batch without a name costs no
 * look-up, and one whose name is gone is not taken for nameless. The first block of a cluster begins at a
 * random place: an agent that outlives the data of its cluster is not mistaken for another's producer.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { Random } from '../ports.ts'
import { decodeProducerIds, encodeProducerIds, PRODUCER_IDS_KEY } from './producer-record.ts'

const BLOCK_IDS = 1_000
/** Places where the first block may begin: beyond them there is room for 2^53 ids less 4 * 10^12. */
const FIRST_BLOCKS = 2 ** 32
/** Only other nodes compete; who loses so often is in a storm. */
const ATTEMPTS_MAX = 10

export function hasName(producerId: number): boolean {
  return producerId % 2 === 1
}

export class ProducerIds {
  readonly #store: MetadataStore
  readonly #random: Random
  #next = 0
  #end = 0
  #reserving: Promise<void> | undefined

  constructor(store: MetadataStore, random: Random) {
    this.#store = store
    this.#random = random
  }

  /** Rejects with StorageError or ProtocolError when no new block can be had. */
  async give(kind: { readonly isNamed: boolean }): Promise<number> {
    for (;;) {
      if (hasName(this.#next) !== kind.isNamed) this.#next++
      if (this.#next < this.#end) return this.#next++
      await this.#reserve()
    }
  }

  /** One block for all who wait. */
  #reserve(): Promise<void> {
    this.#reserving ??= this.#reserveBlock().finally(() => {
      this.#reserving = undefined
    })
    return this.#reserving
  }

  async #reserveBlock(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const entry = await this.#store.get(PRODUCER_IDS_KEY)
      const first = entry ? decodeProducerIds(entry) : this.#firstOfCluster()
      const end = first + BLOCK_IDS
      if (end > Number.MAX_SAFE_INTEGER)
        throw new ProtocolError(ErrorCode.POLICY_VIOLATION, 'there are no producer ids left')
      const { committed } = await this.#store.transact(
        [{ key: PRODUCER_IDS_KEY, modRevision: entry?.modRevision ?? 0 }],
        [{ kind: 'put', key: PRODUCER_IDS_KEY, value: encodeProducerIds(end) }],
      )
      if (!committed) continue
      this.#next = first
      this.#end = end
      return
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `other nodes took producer ids ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }

  #firstOfCluster(): number {
    return Math.floor(this.#random.unit() * FIRST_BLOCKS) * BLOCK_IDS
  }
}
