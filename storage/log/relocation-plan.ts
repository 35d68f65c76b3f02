/**
 * Which segments to rewrite: a segment that one long-lived topic pins is mostly dead, and its file stays
 * whole as long as anything in it lives. Pure.
 *
 * What it works for: sealed segments take at most one and a half times what is alive, besides two segments,
 * and copying stays a small part of writing. Spare files of the store are not known here; it keeps few beside few segments. So a
 * segment is rewritten when that frees several times what it copies; the more of the disk is dead, the fewer times. A rewritten segment takes in neighbours no
 * larger than itself, as the digits of a counter carry: a live byte is copied a logarithmic number of
 * times, and small segments do not add up.
 */
import type { SegmentId } from '../segment-store.ts'

export interface SegmentUse {
  readonly id: SegmentId
  readonly fileBytes: number
  /** What rewriting it copies: its batches of all that has anything alive in it. */
  readonly liveBytes: number
}

/** Bytes freed per byte copied that make it worthwhile, by the share of the files that is dead. */
const YIELD_MIN: readonly { readonly deadShareMin: number; readonly yieldMin: number }[] = [
  { deadShareMin: 0.34, yieldMin: 0.25 },
  { deadShareMin: 0.32, yieldMin: 0.4 },
  { deadShareMin: 0.3, yieldMin: 1 },
  { deadShareMin: 0.24, yieldMin: 2 },
  { deadShareMin: 0.18, yieldMin: 4 },
  { deadShareMin: 0, yieldMin: 8 },
]
/** A rewritten segment takes this much more than its batches (headers of values, pages, index), but at least a share of an ordinary one. */
const REWRITTEN_FACTOR = 1.12
const REWRITTEN_SHARE_MIN = 1 / 64
/** Freeing less than this share of a segment is not worth a file. */
const FREED_SHARE_MIN = 1 / 16
/** A rewritten segment is not made larger than this share of an ordinary one. */
const FILL_SHARE_MAX = 0.85

/**
 * The neighbours to rewrite into one segment, in journal order; undefined: none are worth it.
 * @param sealed all sealed segments in journal order
 * @param segmentBytes size of an ordinary segment
 * @param unmovable segments that must stay as they are
 */
export function planRelocation(
  sealed: readonly SegmentUse[],
  segmentBytes: number,
  unmovable: ReadonlySet<SegmentId> = new Set(),
): readonly SegmentId[] | undefined {
  const files = sum(sealed.map(({ fileBytes }) => fileBytes))
  const dead = files - sum(sealed.map(({ liveBytes }) => liveBytes))
  const { yieldMin } = YIELD_MIN.find(({ deadShareMin }) => dead >= deadShareMin * files) as {
    yieldMin: number
  }
  let best: Group | undefined
  for (let seed = 0; seed < sealed.length; seed++) {
    if (unmovable.has(sealed[seed].id)) continue
    const group = groupAround(sealed, seed, { yieldMin, segmentBytes, unmovable })
    if (group && (!best || yieldOf(group, segmentBytes) > yieldOf(best, segmentBytes))) best = group
  }
  if (!best || freedBytes(best, segmentBytes) < segmentBytes * FREED_SHARE_MIN) return undefined
  return sealed.slice(best.first, best.last + 1).map(({ id }) => id)
}

interface Bounds {
  readonly yieldMin: number
  readonly segmentBytes: number
  readonly unmovable: ReadonlySet<SegmentId>
}

interface Group {
  readonly first: number
  readonly last: number
  readonly fileBytes: number
  readonly liveBytes: number
}

function groupAround(
  sealed: readonly SegmentUse[],
  seed: number,
  { yieldMin, segmentBytes, unmovable }: Bounds,
): Group | undefined {
  const { fileBytes, liveBytes } = sealed[seed]
  let group: Group = { first: seed, last: seed, fileBytes, liveBytes }
  if (yieldOf(group, segmentBytes) < yieldMin || liveBytes > segmentBytes * FILL_SHARE_MAX) return undefined
  for (let grown: Group | undefined = group; grown; ) {
    group = grown
    const [before, after] = [sealed[group.first - 1], sealed[group.last + 1]].map((neighbour) =>
      neighbour && unmovable.has(neighbour.id) ? undefined : neighbour,
    )
    const neighbours = [joined(group, before, -1), joined(group, after, 1)]
    grown = neighbours
      .filter((candidate) => candidate !== undefined)
      .find(
        (candidate) =>
          candidate.liveBytes <= segmentBytes * FILL_SHARE_MAX &&
          yieldOf(candidate, segmentBytes) >= yieldMin,
      )
  }
  return group
}

/** With one more neighbour, if that is worthwhile by itself or no larger than the group. */
function joined(group: Group, neighbour: SegmentUse | undefined, side: -1 | 1): Group | undefined {
  if (!neighbour) return undefined
  const { fileBytes, liveBytes } = neighbour
  if (liveBytes > Math.max(group.liveBytes, fileBytes / 16)) return undefined
  return {
    first: side < 0 ? group.first - 1 : group.first,
    last: side > 0 ? group.last + 1 : group.last,
    fileBytes: group.fileBytes + fileBytes,
    liveBytes: group.liveBytes + liveBytes,
  }
}

/** What a segment with so many bytes of batches takes, about. */
export function rewrittenBytes(liveBytes: number, segmentBytes: number): number {
  return Math.max(segmentBytes * REWRITTEN_SHARE_MIN, liveBytes * REWRITTEN_FACTOR)
}

function freedBytes({ fileBytes, liveBytes }: Group, segmentBytes: number): number {
  return fileBytes - rewrittenBytes(liveBytes, segmentBytes)
}

function yieldOf(group: Group, segmentBytes: number): number {
  return freedBytes(group, segmentBytes) / Math.max(group.liveBytes, 1)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
