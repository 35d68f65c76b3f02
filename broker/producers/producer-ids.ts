/**
 * Gives out producer ids, none of them ever twice: they come from blocks that are this node's once metadata
 * says so, durably. What is left of a block when the node dies is lost, which nobody minds.
 *
 * An id says by itself whether its producer has a name: odd ones have. So one whose name is gone is not taken for
 * nameless. Those without a name come from a block of the principal that asks, so that metadata knows whose they are
 * (`nameless-owners.ts`). (Nodes that share metadata would have to follow the blocks that others give out.) The first
 * block of a cluster begins at a random place: an agent that outlives the data of its cluster is not mistaken for
 * another's producer.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { MetadataStore, Operation } from '../../storage/metadata-store.ts'
import type { Random } from '../ports.ts'
import { NamelessOwners } from './nameless-owners.ts'
import {
  decodeIdBlock,
  decodeProducerIds,
  encodeIdBlock,
  encodeProducerIds,
  ID_BLOCK_KEY_PREFIX,
  idBlockKey,
  PRODUCER_BLOCK_IDS,
  PRODUCER_IDS_KEY,
} from './producer-record.ts'

/** Places where the first block may begin: beyond them there is room for 2^53 ids less 4 * 10^12. */
const FIRST_BLOCKS = 2 ** 32
/** Only other nodes compete; who loses so often is in a storm. */
const ATTEMPTS_MAX = 10
/** Blocks of one transaction: as many may have to go, and metadata takes 128 operations. */
const BLOCKS_AT_ONCE_MAX = 50

/** Of the producers that have names. */
const NAMED = Symbol('named')
type BlockOwner = string | typeof NAMED

/** One transaction, for all who asked before it began. */
interface Reservation {
  readonly owners: Set<BlockOwner>
  readonly done: Promise<void>
}

export function hasName(producerId: number): boolean {
  return producerId % 2 === 1
}

export class ProducerIds {
  readonly owners: NamelessOwners
  readonly #store: MetadataStore
  readonly #random: Random
  #nextNamed = 1
  #endNamed = 0
  #current: Reservation | undefined
  #upcoming: Reservation | undefined

  private constructor(store: MetadataStore, random: Random, owners: NamelessOwners) {
    this.#store = store
    this.#random = random
    this.owners = owners
  }

  /** Reads whose the ids are. Rejects where metadata cannot be understood: somebody could write as another. */
  static async open(
    store: MetadataStore,
    random: Random,
    owners: NamelessOwners = new NamelessOwners(),
  ): Promise<ProducerIds> {
    const { entries } = await store.list(ID_BLOCK_KEY_PREFIX)
    const blocks = entries.map(decodeIdBlock).sort((a, b) => a.first - b.first)
    for (const { first, owner } of blocks) owners.learn(first, owner, false)
    return new ProducerIds(store, random, owners)
  }

  /** An id for a new name. Rejects with StorageError or ProtocolError when no new block can be had. */
  async giveNamed(): Promise<number> {
    while (this.#nextNamed >= this.#endNamed) await this.#reserve(NAMED)
    const producerId = this.#nextNamed
    this.#nextNamed += 2
    return producerId
  }

  /** An id without a name, which is the owner's from now on. Rejects as {@link giveNamed}. */
  async giveNameless(owner: string): Promise<number> {
    for (;;) {
      const producerId = this.owners.give(owner)
      if (producerId !== undefined) return producerId
      await this.#reserve(owner)
    }
  }

  /** There may be a block for the owner then: who finds none asks again. */
  #reserve(owner: BlockOwner): Promise<void> {
    if (this.#current?.owners.has(owner)) return this.#current.done
    this.#upcoming ??= this.#schedule()
    const { owners, done } = this.#upcoming
    if (owners.size < BLOCKS_AT_ONCE_MAX) owners.add(owner)
    return done
  }

  /** The transaction after the present one. */
  #schedule(): Reservation {
    const owners = new Set<BlockOwner>()
    const begin = async () => {
      this.#current = this.#upcoming
      this.#upcoming = undefined
      try {
        await this.#reserveBlocks([...owners])
      } finally {
        this.#current = undefined
      }
    }
    const before = this.#current?.done ?? Promise.resolve()
    return { owners, done: before.then(begin, begin) }
  }

  async #reserveBlocks(owners: readonly BlockOwner[]): Promise<void> {
    const surplus = this.owners.surplus(BLOCKS_AT_ONCE_MAX)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const entry = await this.#store.get(PRODUCER_IDS_KEY)
      const first = entry ? wholeBlocks(decodeProducerIds(entry)) : this.#firstOfCluster()
      const end = first + owners.length * PRODUCER_BLOCK_IDS
      if (end > Number.MAX_SAFE_INTEGER)
        throw new ProtocolError(ErrorCode.POLICY_VIOLATION, 'there are no producer ids left')
      const operations: Operation[] = [
        { kind: 'put', key: PRODUCER_IDS_KEY, value: encodeProducerIds(end) },
        ...surplus.map((begin) => ({ kind: 'delete', key: idBlockKey(begin) }) as const),
      ]
      for (const [i, owner] of owners.entries())
        if (owner !== NAMED) {
          const key = idBlockKey(first + i * PRODUCER_BLOCK_IDS)
          operations.push({ kind: 'put', key, value: encodeIdBlock(owner) })
        }
      const compare = { key: PRODUCER_IDS_KEY, modRevision: entry?.modRevision ?? 0 }
      const { committed } = await this.#store.transact([compare], operations)
      if (!committed) continue
      for (const begin of surplus) this.owners.forget(begin)
      for (const [i, owner] of owners.entries()) this.#reserved(first + i * PRODUCER_BLOCK_IDS, owner)
      return
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `other nodes took producer ids ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }

  #reserved(first: number, owner: BlockOwner): void {
    if (owner !== NAMED) this.owners.learn(first, owner, true)
    else {
      this.#nextNamed = first + 1
      this.#endNamed = first + PRODUCER_BLOCK_IDS
    }
  }

  #firstOfCluster(): number {
    return Math.floor(this.#random.unit() * FIRST_BLOCKS) * PRODUCER_BLOCK_IDS
  }
}

/** Blocks begin at multiples of their length, so that an id says in which one it is. */
function wholeBlocks(nextProducerId: number): number {
  return Math.ceil(nextProducerId / PRODUCER_BLOCK_IDS) * PRODUCER_BLOCK_IDS
}
