/**
 * The filters of the fetches that are under way on one partition, put into groups: what one scan of a batch serves.
 *
 * - A filter is live while a fetch has it, and for a while after: long polls come and go, and what was compiled stays.
 * - **Near** an offset are those whose readers come to it soon: they are not beyond it, and not far before it. A filter that
 *   has no group yet gets one with all others that are near, and only then.
 * - A group is made once, and compiled once on each thread that meets it. Two groups become one when the smaller one has been
 *   scanned with so much that compiling both anew has paid off; one that is half dead is dissolved.
 * - A whole group is scanned only where enough of it is near. So a reader who is far behind looks at old data for himself (with
 *   those who read there as well), and a thousand at the end of the log look at new data once.
 *
 * Which group serves changes what a scan costs, never what it gives. Pure; knows no clock and no cache.
 */
import type { RecordPattern } from './pattern.ts'
import type { SharedPatterns, SharedPatternsMaker } from './shared-patterns.ts'

/** A reader so many offsets before another one comes to the same batches before what is known of them is forgotten. */
export const NEAR_OFFSETS_MAX = 1024 * 1024
/** A scan for one pattern more costs about this share of a scan for a single one. */
const SHARE_OF_ONE_MORE = 1 / 32
/** Compiling a pattern costs about what a scan of so many bytes does. */
const COMPILED_BYTES = 16 * 1024
export const GROUP_FILTERS_MAX = 4096
export const GROUP_TEXT_CHARS_MAX = 1024 * 1024

/** One for all fetches on the partition with this text. */
export class LiveFilter {
  readonly pattern: RecordPattern
  /** Whether it looks into a value as JSON: only then is it told of values that are none. */
  readonly readsJson: boolean
  /** Fetches that have it. */
  users = 0
  /** Where a reader with it has come to. */
  position: number
  group: FilterGroup | undefined
  /** The group of this filter alone, once it was needed. */
  solo: FilterGroup | undefined
  /** Not live any more; the same text gets another one. */
  isGone = false

  constructor(pattern: RecordPattern, position: number) {
    this.pattern = pattern
    this.position = position
    this.readsJson = pattern.alternatives.some(({ value }) => value?.kind === 'fields')
  }
}

export class FilterGroup {
  readonly patterns: SharedPatterns
  /** Number of each in the set. */
  readonly #numbers = new Map<LiveFilter, number>()
  readonly textChars: number
  /** Bytes of batches that were looked at with it. */
  scannedBytes = 0
  /** Of its filters. */
  gone = 0

  constructor(filters: readonly LiveFilter[], maker: SharedPatternsMaker) {
    // The same filters make the same text, whoever came first.
    const sorted = [...filters].sort((a, b) => (a.pattern.text < b.pattern.text ? -1 : 1))
    for (const [number, filter] of sorted.entries()) this.#numbers.set(filter, number)
    const texts = sorted.map(({ pattern }) => pattern.text)
    this.patterns = maker.of(texts)
    this.textChars = texts.reduce((sum, { length }) => sum + length, 0)
  }

  get size(): number {
    return this.patterns.size
  }

  /** What it takes in memory, with the texts; about. */
  get bytes(): number {
    return 500 + 300 * this.size + 4 * this.textChars
  }

  get filters(): Iterable<LiveFilter> {
    return this.#numbers.keys()
  }

  has(filter: LiveFilter): boolean {
    return this.#numbers.has(filter)
  }

  /** Its number among the patterns; it must be in here. */
  numberOf(filter: LiveFilter): number {
    return this.#numbers.get(filter) as number
  }
}

export class LiveFilters {
  readonly #maker: SharedPatternsMaker
  readonly #byText = new Map<string, LiveFilter>()
  readonly #groups = new Set<FilterGroup>()
  /** Live filters without a group. */
  readonly #loose = new Set<LiveFilter>()

  constructor(maker: SharedPatternsMaker) {
    this.#maker = maker
  }

  get size(): number {
    return this.#byText.size
  }

  get groups(): ReadonlySet<FilterGroup> {
    return this.#groups
  }

  get(text: string): LiveFilter | undefined {
    return this.#byText.get(text)
  }

  /** The live filter of this text, which is one from now on if it was none. */
  obtain(pattern: RecordPattern, position: number): LiveFilter {
    const known = this.#byText.get(pattern.text)
    if (known) return known
    const filter = new LiveFilter(pattern, position)
    this.#byText.set(pattern.text, filter)
    this.#loose.add(filter)
    return filter
  }

  /** Nobody has it any more, and nobody has come back for it. */
  remove(filter: LiveFilter): void {
    filter.isGone = true
    this.#byText.delete(filter.pattern.text)
    this.#loose.delete(filter)
    const { group } = filter
    if (!group || !this.#groups.has(group)) return
    group.gone++
    if (group.gone * 2 > group.size) this.#dissolve(group)
  }

  /** With whom the batch at `offset` is to be looked at for this filter. */
  groupFor(filter: LiveFilter, offset: number): FilterGroup {
    if (!filter.group) this.#gather(filter, offset)
    this.#merge(offset)
    const group = filter.group as FilterGroup
    if (group.size === 1) return group
    const near = nearIn(group, offset, filter)
    return near >= 1 + (group.size - 1) * SHARE_OF_ONE_MORE ? group : this.soloOf(filter)
  }

  /** The group of the filter alone. */
  soloOf(filter: LiveFilter): FilterGroup {
    if (filter.group?.size === 1) return filter.group
    filter.solo ??= new FilterGroup([filter], this.#maker)
    return filter.solo
  }

  /** Puts it into a group with those near that have none. */
  #gather(filter: LiveFilter, offset: number): void {
    const together = [filter]
    let textChars = filter.pattern.text.length
    for (const other of this.#loose) {
      if (other === filter || !isNear(other, offset)) continue
      if (together.length === GROUP_FILTERS_MAX) break
      if (textChars + other.pattern.text.length > GROUP_TEXT_CHARS_MAX) continue
      textChars += other.pattern.text.length
      together.push(other)
    }
    this.#form(together)
  }

  /** The two smallest of the groups that are mostly near become one, and so on, as far as that has paid off. */
  #merge(offset: number): void {
    if (this.#groups.size < 2) return
    const groups = [...this.#groups]
      .filter((group) => group.size < GROUP_FILTERS_MAX && nearIn(group, offset) * 2 >= group.size)
      .sort((a, b) => a.size - b.size)
    while (groups.length >= 2) {
      const [small, large] = groups
      const size = small.size + large.size - small.gone - large.gone
      const textChars = small.textChars + large.textChars
      if (size > GROUP_FILTERS_MAX || textChars > GROUP_TEXT_CHARS_MAX) return
      if (small.scannedBytes < COMPILED_BYTES * size) return
      const filters = [...small.filters, ...large.filters].filter(({ isGone }) => !isGone)
      this.#dissolve(small)
      this.#dissolve(large)
      groups.splice(0, 2)
      const merged = this.#form(filters)
      const at = groups.findIndex((group) => group.size > merged.size)
      groups.splice(at < 0 ? groups.length : at, 0, merged)
    }
  }

  #form(filters: readonly LiveFilter[]): FilterGroup {
    const group = new FilterGroup(filters, this.#maker)
    this.#groups.add(group)
    for (const filter of filters) {
      filter.group = group
      this.#loose.delete(filter)
    }
    return group
  }

  #dissolve(group: FilterGroup): void {
    this.#groups.delete(group)
    for (const filter of group.filters) {
      filter.group = undefined
      if (!filter.isGone) this.#loose.add(filter)
    }
  }

  /** Checked by tests after every step. Throws what does not hold. */
  invariants(): void {
    const holds = (condition: boolean, what: string) => {
      if (!condition) throw new Error(what)
    }
    for (const [text, filter] of this.#byText) {
      holds(text === filter.pattern.text && !filter.isGone, 'a filter is found by its text while it is live')
      holds(this.#loose.has(filter) === (filter.group === undefined), 'without a group it is loose')
      if (!filter.group) continue
      holds(this.#groups.has(filter.group) && filter.group.has(filter), 'its group is one of ours and has it')
    }
    for (const group of this.#groups) {
      const gone = [...group.filters].filter(({ isGone }) => isGone).length
      holds(group.gone === gone && gone * 2 <= group.size, 'a group knows who is gone, half of it at most')
      holds(group.size <= GROUP_FILTERS_MAX, 'a group is not too large')
      for (const filter of group.filters)
        holds(filter.isGone || this.#byText.get(filter.pattern.text) === filter, 'who is in a group is live')
    }
    for (const filter of this.#loose) holds(!filter.isGone, 'who is loose is live')
  }
}

function isNear({ position, isGone }: LiveFilter, offset: number): boolean {
  return !isGone && position <= offset && offset - position <= NEAR_OFFSETS_MAX
}

/** @param also counts as near, wherever it is */
function nearIn(group: FilterGroup, offset: number, also?: LiveFilter): number {
  let near = 0
  for (const filter of group.filters) if (filter === also || isNear(filter, offset)) near++
  return near
}
