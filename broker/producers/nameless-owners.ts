/**
 * Whose the ids without a name are: of whom they were given to, and after a restart of whoever first writes with one.
 * Ids are counted up, and stand in every batch that somebody may read; with another's id and epoch one could fence him,
 * or take the place of his next event, which then counts as stored.
 *
 * Kept in memory and bounded: of each principal, and of all together, where whoever has the most loses his oldest first,
 * so that nobody makes this forget others. Who needs more than that takes a name.
 */

const IDS_MAX = 100_000
const IDS_OF_ONE_MAX = 10_000

export class NamelessOwners {
  readonly #idsMax: number
  readonly #idsOfOneMax: number
  readonly #ownerOf = new Map<number, string>()
  /** The oldest first. */
  readonly #idsOf = new Map<string, Set<number>>()

  constructor(idsMax = IDS_MAX, idsOfOneMax = IDS_OF_ONE_MAX) {
    this.#idsMax = idsMax
    this.#idsOfOneMax = idsOfOneMax
  }

  get size(): number {
    return this.#ownerOf.size
  }

  /** Undefined: nobody has used it since the start, or it is forgotten. */
  ownerOf(producerId: number): string | undefined {
    return this.#ownerOf.get(producerId)
  }

  /** Whether it is the principal's; what is nobody's becomes his. */
  take(producerId: number, principal: string): boolean {
    const owner = this.#ownerOf.get(producerId)
    if (owner !== undefined) return owner === principal
    this.#ownerOf.set(producerId, principal)
    const ids = this.#idsOf.get(principal)
    if (!ids) this.#idsOf.set(principal, new Set([producerId]))
    else if (ids.add(producerId).size > this.#idsOfOneMax) this.#forgetOldest(principal, ids, 1)
    if (this.#ownerOf.size > this.#idsMax) this.#makeRoom()
    return true
  }

  /** Half of what the one with the most has, so that it is not looked for each time. */
  #makeRoom(): void {
    let most: [principal: string, ids: Set<number>] | undefined
    for (const each of this.#idsOf) if (!most || each[1].size > most[1].size) most = each
    if (most) this.#forgetOldest(...most, Math.ceil(most[1].size / 2))
  }

  #forgetOldest(principal: string, ids: Set<number>, count: number): void {
    let left = count
    for (const id of ids) {
      if (left-- === 0) break
      ids.delete(id)
      this.#ownerOf.delete(id)
    }
    if (ids.size === 0) this.#idsOf.delete(principal)
  }
}
