/**
 * Whose the ids without a name are, and which of their epochs are good. Ids are counted up, and stand in every batch
 * that somebody may read; with another's id and epoch one could fence him, or take the place of his next event, which
 * would then count as stored.
 *
 * So each principal is given ids out of blocks of his own, and metadata says whose a block is: an id is its owner's
 * after a restart, too, at one write for a block and one look-up for a batch. An id that was not given out, or is in
 * none of these blocks, is nobody's, and nobody can use it.
 *
 * Who asks for a new epoch has given something up; that may still lie in the socket of a connection that has ended, or
 * wait for its commit, and whoever is told that it is not stored sends again what stands behind it. So what was sent
 * with older epochs is refused from then on, wherever it comes from. Epochs are kept in memory: a restart ends every
 * connection, and then the newest counts that a partition has seen.
 *
 * Bounded by blocks, each with room for the epochs of its ids: whoever has the most loses his oldest, so that nobody
 * makes this forget others. A producer whose id has gone takes a new one. State alone; `producer-ids.ts` writes it down.
 */
import { PRODUCER_BLOCK_IDS } from './producer-record.ts'

const BLOCKS_MAX = 10_000
const BLOCKS_OF_ONE_MAX = 100

interface OwnedBlock {
  readonly first: number
  readonly owner: string
  /** The id that is given out next. */
  next: number
  /** The oldest good epoch of each second id; undefined: nobody has asked for a new one. */
  epochs: Uint16Array | undefined
}

export class NamelessOwners {
  readonly #blocksMax: number
  readonly #blocksOfOneMax: number
  /** By the number of the block. */
  readonly #blocks = new Map<number, OwnedBlock>()
  /** The oldest first. */
  readonly #blocksOf = new Map<string, Set<OwnedBlock>>()
  /** Where ids are given out. */
  readonly #openOf = new Map<string, OwnedBlock>()

  constructor(blocksMax = BLOCKS_MAX, blocksOfOneMax = BLOCKS_OF_ONE_MAX) {
    this.#blocksMax = blocksMax
    this.#blocksOfOneMax = blocksOfOneMax
  }

  get blockCount(): number {
    return this.#blocks.size
  }

  /** Metadata says that the block is the owner's, now or since an earlier life, which may have given out all of it. */
  learn(first: number, owner: string, isNew: boolean): void {
    const block = { first, owner, next: isNew ? first : first + PRODUCER_BLOCK_IDS, epochs: undefined }
    this.#blocks.set(first / PRODUCER_BLOCK_IDS, block)
    const blocks = this.#blocksOf.get(owner)
    if (blocks) blocks.add(block)
    else this.#blocksOf.set(owner, new Set([block]))
    if (isNew) this.#openOf.set(owner, block)
  }

  /** An id that nobody was given before; undefined: he needs another block. */
  give(owner: string): number | undefined {
    const open = this.#openOf.get(owner)
    if (!open) return undefined
    const producerId = open.next
    open.next += 2
    if (open.next === open.first + PRODUCER_BLOCK_IDS) this.#openOf.delete(owner)
    return producerId
  }

  /** Undefined: it was never given out, or so long ago that it is nobody's any more. */
  ownerOf(producerId: number): string | undefined {
    return this.#find(producerId)?.owner
  }

  /** What was sent with an epoch below `producerEpoch` is refused from now on. The id has an owner. */
  raise(producerId: number, producerEpoch: number): void {
    const block = this.#find(producerId)
    if (!block) throw new Error(`a new epoch of producer ${producerId}, which is nobody's`)
    block.epochs ??= new Uint16Array(PRODUCER_BLOCK_IDS / 2)
    const at = (producerId - block.first) / 2
    block.epochs[at] = Math.max(block.epochs[at], producerEpoch)
  }

  /** The oldest epoch that is good; 0: any. */
  oldestEpochOf(producerId: number): number {
    const block = this.#find(producerId)
    return block?.epochs ? block.epochs[(producerId - block.first) / 2] : 0
  }

  /** Where blocks begin that are too many, `countMax` of them at most: they may be forgotten. */
  surplus(countMax: number): number[] {
    const found: number[] = []
    const left = new Map<string, number>()
    for (const [owner, { size }] of this.#blocksOf) left.set(owner, size)
    while (found.length < countMax) {
      let most: [owner: string, count: number] = ['', 0]
      for (const each of left) if (each[1] > most[1]) most = each
      const [owner, count] = most
      const isTooMany = this.#blocks.size - found.length > this.#blocksMax || count > this.#blocksOfOneMax
      const blocks = this.#blocksOf.get(owner)
      if (!isTooMany || !blocks) break
      found.push([...blocks][blocks.size - count].first)
      left.set(owner, count - 1)
    }
    return found
  }

  forget(first: number): void {
    const block = this.#blocks.get(first / PRODUCER_BLOCK_IDS)
    if (!block) return
    const { owner } = block
    this.#blocks.delete(first / PRODUCER_BLOCK_IDS)
    if (this.#openOf.get(owner) === block) this.#openOf.delete(owner)
    const blocks = this.#blocksOf.get(owner)
    blocks?.delete(block)
    if (blocks?.size === 0) this.#blocksOf.delete(owner)
  }

  /** The block of an id that was given out. */
  #find(producerId: number): OwnedBlock | undefined {
    const block = this.#blocks.get(Math.floor(producerId / PRODUCER_BLOCK_IDS))
    return block && producerId < block.next ? block : undefined
  }
}
