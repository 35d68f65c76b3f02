/** Many short lists of numbers in two arrays: nothing to follow, nothing to allocate when they are read. */

export class Lists {
  /** List n is `items` from starts[n] to starts[n + 1]. */
  readonly starts: Int32Array
  readonly items: Int32Array

  constructor(lists: readonly (readonly number[] | undefined)[], count: number) {
    this.starts = new Int32Array(count + 1)
    for (let list = 0; list < count; list++)
      this.starts[list + 1] = this.starts[list] + (lists[list]?.length ?? 0)
    this.items = new Int32Array(this.starts[count])
    for (let list = 0; list < count; list++) this.items.set(lists[list] ?? [], this.starts[list])
  }
}

/** Adds to one of the lists that are to become such. */
export function addTo(lists: number[][], list: number, item: number): void {
  const items = lists[list]
  if (items === undefined) lists[list] = [item]
  else items.push(item)
}
