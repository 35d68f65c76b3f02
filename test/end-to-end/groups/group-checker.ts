/**
 * Finds in the history of one group what must not be in it. Pure: a history in, sentences out.
 *
 * A *tenure* is the time a member has a partition, from the answer that gives it to the one that leaves it out or the end of
 * the membership. Tenures of a partition are in the order of the member epochs under which they began: the broker gives a
 * partition to another only under a later epoch, or, to who comes back under its name, later under the same.
 *
 *  - lost: a commit leaves, or stands at the end, for an offset before which an event was not done with
 *  - skipped, non-monotonic: a tenure hands out an event that is not the one after the last
 *  - duplicated beyond the uncommitted: a tenure begins elsewhere than where the one before it committed last
 *  - two owners: an event is handed out, or at work, while another has the partition by a later tenure; or a partition that is not one's own
 *  - zombie: a commit is taken that left after a later tenure had begun, or that was never the member's to make
 *  - lag: at the end something is not committed
 *
 * What a process does between being stopped and looking at its clock again is not held against it, but its commits are.
 */
import type { CommitEntry, HistoryEntry, Place, WorkEntry } from './group-history.ts'

export type FaultKind =
  | 'lost'
  | 'skipped'
  | 'non-monotonic'
  | 'duplicated'
  | 'two owners'
  | 'zombie commit'
  | 'lag'
  | 'failure'

export interface Fault {
  readonly kind: FaultKind
  readonly text: string
}

export interface Checked {
  readonly faults: readonly Fault[]
  readonly figures: {
    readonly handed: number
    /** Handed out before. */
    readonly again: number
    readonly tenures: number
    readonly commitsAccepted: number
    readonly commitsRefused: number
    /** Never answered: durable or not, nobody knows. */
    readonly commitsUnknown: number
    /** Times that members stopped by themselves or were put out. */
    readonly losses: number
  }
}

interface Tenure {
  readonly life: string
  readonly memberId: string
  readonly epoch: number
  readonly fromMs: number
  /** Of the membership. */
  readonly joinedMs: number
  toMs: number
  /** Offset that is due next; undefined: nothing was handed out yet. */
  next: number | undefined
}

interface Commit {
  readonly offset: number
  readonly sentMs: number
  /** Undefined: a reset, by nobody. */
  readonly tenure: Tenure | undefined
  outcome: 'accepted' | 'refused' | 'unknown'
}

interface Work {
  readonly life: string
  readonly tenure: Tenure | undefined
  readonly first: number
  readonly last: number
  readonly fromMs: number
  toMs: number
}

/** After a stop, timers have their turn. */
const AFTER_STALL_MS = 50
/** Between the SDK's stopping and the note of it. */
const TOLD_MS = 20

export function checkHistory(history: readonly HistoryEntry[]): Checked {
  return new Checker(history).check()
}

class Checker {
  readonly #history: readonly HistoryEntry[]
  readonly #faults: Fault[] = []
  readonly #tenures = new Map<Place, Tenure[]>()
  readonly #commits = new Map<Place, Commit[]>()
  readonly #work = new Map<Place, Work[]>()
  readonly #done = new Map<Place, DoneTimes>()
  readonly #stalls = new Map<string, { fromMs: number; toMs: number }[]>()
  readonly #losses = new Map<string, number[]>()
  readonly #firsts = new Map<Tenure, number>()
  readonly #unowned: { readonly life: string; readonly place: Place; readonly commit: Commit }[] = []
  #handed = 0
  #again = 0

  constructor(history: readonly HistoryEntry[]) {
    this.#history = history
  }

  check(): Checked {
    const lives = new Map<string, HistoryEntry[]>()
    for (const entry of this.#history) listOf(lives, entry.life).push(entry)
    for (const entries of lives.values()) this.#life(entries)
    for (const [place, commits] of this.#commits) {
      commits.sort((a, b) => compareCommits(a, b))
      this.#checkCommits(place, commits)
    }
    for (const { life, place, commit } of this.#unowned)
      if (commit.outcome === 'accepted')
        this.#fault('zombie commit', `${place}@${commit.offset} of ${life} was taken though it never had it`)
    for (const place of this.#tenures.keys()) this.#checkBeginnings(place)
    for (const [place, work] of this.#work) this.#checkOwners(place, work)
    for (const entry of this.#history) if (entry.kind === 'end') this.#checkEnd(entry)
    const commits = [...this.#commits.values()].flat().filter(({ tenure }) => tenure !== undefined)
    const count = (outcome: Commit['outcome']) =>
      commits.filter((commit) => commit.outcome === outcome).length
    return {
      faults: this.#faults,
      figures: {
        handed: this.#handed,
        again: this.#again,
        tenures: [...this.#tenures.values()].flat().length,
        commitsAccepted: count('accepted'),
        commitsRefused: count('refused'),
        commitsUnknown: count('unknown'),
        losses: [...this.#losses.values()].flat().length,
      },
    }
  }

  #fault(kind: FaultKind, text: string): void {
    this.#faults.push({ kind, text })
  }

  /** What one process noted, in its order. */
  #life(entries: readonly HistoryEntry[]): void {
    const present = new Map<Place, Tenure>()
    const joinedMs = new Map<string, number>()
    const sent = new Map<number, Commit[]>()
    const open = new Map<Place, Work>()
    let memberId: string | undefined
    const leave = (atMs: number) => {
      for (const tenure of present.values()) tenure.toMs = atMs
      present.clear()
    }
    for (const entry of entries) {
      const { life, atMs } = entry
      switch (entry.kind) {
        case 'assigned': {
          if (memberId !== entry.memberId) leave(atMs)
          memberId = entry.memberId
          if (!joinedMs.has(memberId)) joinedMs.set(memberId, atMs)
          const listed = new Set(entry.places)
          for (const [place, tenure] of present)
            if (!listed.has(place)) {
              tenure.toMs = atMs
              present.delete(place)
            }
          for (const place of listed) {
            if (present.has(place)) continue
            const tenure: Tenure = {
              life,
              memberId,
              epoch: entry.memberEpoch,
              fromMs: atMs,
              joinedMs: joinedMs.get(memberId) as number,
              toMs: Number.POSITIVE_INFINITY,
              next: undefined,
            }
            present.set(place, tenure)
            listOf(this.#tenures, place).push(tenure)
          }
          break
        }
        case 'told':
          if (entry.isLost) {
            listOf(this.#losses, life).push(atMs)
            leave(atMs)
          }
          break
        case 'handed':
          open.set(entry.place, this.#took(entry, present.get(entry.place)))
          break
        case 'done': {
          const work = open.get(entry.place)
          if (work) work.toMs = atMs
          open.delete(entry.place)
          this.#doneTimes(entry.place).note(entry)
          break
        }
        case 'commit':
          sent.set(entry.serial, this.#sent(entry))
          break
        case 'committed':
          for (const [i, commit] of (sent.get(entry.serial) ?? []).entries())
            commit.outcome = entry.errors[i] === 0 ? 'accepted' : 'refused'
          break
        case 'reset':
          for (const [place, offset] of entry.offsets)
            listOf(this.#commits, place).push({
              offset,
              sentMs: atMs,
              tenure: undefined,
              outcome: 'accepted',
            })
          break
        case 'stalled':
          listOf(this.#stalls, life).push({ fromMs: entry.fromMs, toMs: atMs })
          break
        case 'fault':
          this.#fault('failure', `${life}: ${entry.text}`)
          break
      }
    }
    const endMs = entries.at(-1)?.atMs ?? 0
    for (const work of open.values()) work.toMs = endMs
    leave(endMs)
  }

  #took({ life, place, first, last, atMs }: WorkEntry, tenure: Tenure | undefined): Work {
    this.#handed += last - first + 1
    this.#again += this.#doneTimes(place).handed(first, last)
    if (!tenure)
      this.#fault('two owners', `${life} was handed ${place}@${first}, which is not (or no more) its own`)
    else {
      const due = tenure.next
      if (due !== undefined && first > due)
        this.#fault('skipped', `${life} was handed ${place}@${first}, ${due} was due`)
      if (due !== undefined && first < due)
        this.#fault('non-monotonic', `${life} was handed ${place}@${first} after ${due - 1}`)
      tenure.next = last + 1
    }
    const work = { life, tenure, first, last, fromMs: atMs, toMs: Number.POSITIVE_INFINITY }
    listOf(this.#work, place).push(work)
    if (tenure && !this.#firsts.has(tenure)) this.#firsts.set(tenure, first)
    return work
  }

  #sent({ life, memberId, offsets, atMs }: CommitEntry): Commit[] {
    return offsets.map(([place, offset]) => {
      const tenure = listOf(this.#tenures, place).findLast(
        (candidate) => candidate.life === life && candidate.memberId === memberId,
      )
      const commit: Commit = { offset, sentMs: atMs, tenure, outcome: 'unknown' }
      // One that is nobody's is judged below, when its outcome is known.
      if (tenure) listOf(this.#commits, place).push(commit)
      else this.#unowned.push({ life, place, commit })
      return commit
    })
  }

  #checkCommits(place: Place, commits: readonly Commit[]): void {
    const tenures = listOf(this.#tenures, place)
    const done = this.#doneTimes(place)
    for (const { offset, sentMs, tenure, outcome } of commits) {
      if (!tenure) continue
      const missing = done.missingBefore(offset, sentMs)
      if (missing !== undefined)
        this.#fault(
          'lost',
          `${tenure.life} commits ${place}@${offset} and event ${missing} was not done with (${outcome})`,
        )
      if (outcome !== 'accepted') continue
      const later = tenures.find(
        (other) => other.fromMs < sentMs && compareTenures(other, tenure) > 0 && other !== tenure,
      )
      if (later && later.memberId !== tenure.memberId)
        this.#fault(
          'zombie commit',
          `${place}@${offset} of ${tenure.life}, at epoch ${tenure.epoch}, was taken though ${later.life} has it since epoch ${later.epoch}`,
        )
    }
  }

  /** Each tenure goes on where the ones before it committed last, or might have. */
  #checkBeginnings(place: Place): void {
    const commits = this.#commits.get(place) ?? []
    for (const tenure of this.#tenures.get(place) ?? []) {
      const first = this.#firsts.get(tenure)
      if (first === undefined) continue
      let possible = new Set([0])
      for (const commit of commits) {
        const isBefore = commit.tenure
          ? compareTenures(commit.tenure, tenure) < 0
          : commit.sentMs < tenure.fromMs
        if (!isBefore || commit.outcome === 'refused') continue
        if (commit.outcome === 'accepted') possible = new Set()
        possible.add(commit.offset)
      }
      if (possible.has(first)) continue
      const kind = first < Math.min(...possible) ? 'duplicated' : 'skipped'
      const known = [...possible].join(' or ')
      this.#fault(kind, `${tenure.life} begins with ${place}@${first}, committed was ${known}`)
    }
  }

  #checkOwners(place: Place, work: readonly Work[]): void {
    const tenures = this.#tenures.get(place) ?? []
    for (const { life, tenure, first, fromMs, toMs } of work) {
      if (!tenure) continue
      for (const later of tenures) {
        if (later.life === life || compareTenures(later, tenure) <= 0 || later.fromMs >= toMs) continue
        // It had stopped by itself, and what was at work cannot be called back.
        const hasStopped = this.#losses
          .get(life)
          ?.some((atMs) => atMs >= fromMs && atMs <= later.fromMs + TOLD_MS)
        if (hasStopped || this.#couldNotKnow(life, later.fromMs, fromMs)) continue
        const what = later.fromMs < fromMs ? 'was handed' : 'is at work on'
        this.#fault(
          'two owners',
          `${life} ${what} ${place}@${first} while ${later.life} has it for ${Math.round(Math.abs(fromMs - later.fromMs))} ms`,
        )
        break
      }
    }
  }

  /** It was stopped when another got the partition, and had not looked at its clock again when it went on. */
  #couldNotKnow(life: string, takenMs: number, handedMs: number): boolean {
    return (this.#stalls.get(life) ?? []).some(
      ({ fromMs, toMs }) =>
        fromMs - AFTER_STALL_MS <= takenMs &&
        takenMs <= toMs + AFTER_STALL_MS &&
        handedMs <= toMs + AFTER_STALL_MS,
    )
  }

  #checkEnd({ place, endOffset, committedOffset }: HistoryEntry & { kind: 'end' }): void {
    if (committedOffset !== endOffset)
      this.#fault('lag', `${place} ends at ${endOffset}, committed is ${committedOffset}`)
    const missing = this.#doneTimes(place).missingBefore(endOffset, Number.MAX_VALUE)
    if (missing !== undefined) this.#fault('lost', `${place}@${missing} was never done with`)
  }

  #doneTimes(place: Place): DoneTimes {
    const times = this.#done.get(place) ?? new DoneTimes()
    this.#done.set(place, times)
    return times
  }
}

/** When each event of a partition was done with first. */
class DoneTimes {
  readonly #atMs: number[] = []
  readonly #handed = new Set<number>()
  readonly #allBeforeMs = [Number.NEGATIVE_INFINITY]

  note({ first, last, atMs }: WorkEntry): void {
    for (let offset = first; offset <= last; offset++)
      this.#atMs[offset] = Math.min(this.#atMs[offset] ?? Number.POSITIVE_INFINITY, atMs)
  }

  /** How many of them had been handed out before. */
  handed(first: number, last: number): number {
    let again = 0
    for (let offset = first; offset <= last; offset++)
      if (this.#handed.has(offset)) again++
      else this.#handed.add(offset)
    return again
  }

  /** The first offset below `offset` that was not done with by then. Called when all is noted. */
  missingBefore(offset: number, byMs: number): number | undefined {
    // When all before an offset were done with.
    while (this.#allBeforeMs.length <= offset) {
      const last = this.#allBeforeMs.length - 1
      this.#allBeforeMs.push(Math.max(this.#allBeforeMs[last], this.#atMs[last] ?? Number.POSITIVE_INFINITY))
    }
    if (this.#allBeforeMs[offset] <= byMs) return undefined
    let missing = 0
    while (this.#allBeforeMs[missing + 1] <= byMs) missing++
    return missing
  }
}

function compareTenures(a: Tenure, b: Tenure): number {
  return a.epoch - b.epoch || a.joinedMs - b.joinedMs || a.fromMs - b.fromMs
}

/** Resets happen while nobody is in the group. */
function compareCommits(a: Commit, b: Commit): number {
  if (a.tenure && b.tenure) return compareTenures(a.tenure, b.tenure) || a.sentMs - b.sentMs
  return a.sentMs - b.sentMs
}

function listOf<K, V>(map: Map<K, V[]>, key: K): V[] {
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}
