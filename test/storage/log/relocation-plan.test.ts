/**
 * Which segments are rewritten: single decisions, and a simulated log over hundreds of segments whose files
 * never take more than one and a half times what is alive besides two segments, or a little more in the worst mixtures.
 *
 * OCTOPUS_SEED repeats the mixtures.
 */
import t from 'tap'
import { planRelocation, type SegmentUse } from '../../../storage/log/relocation-plan.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const MIB = 1024 * 1024
const SEGMENT_BYTES = 256 * MIB

function use(id: number, fileMib: number, liveMib: number): SegmentUse {
  return { id, fileBytes: fileMib * MIB, liveBytes: liveMib * MIB }
}

t.test('what is worth it', async (t) => {
  const plan = (...sealed: SegmentUse[]) => planRelocation(sealed, SEGMENT_BYTES)
  t.equal(plan(), undefined, 'nothing of nothing')
  t.equal(plan(use(1, 256, 240), use(2, 256, 240)), undefined, 'full segments stay')
  t.same(plan(use(1, 256, 3), use(2, 256, 240)), [1], 'one that is nearly dead is rewritten')
  t.equal(
    plan(use(1, 256, 120), use(2, 256, 240), use(3, 256, 240), use(4, 256, 240)),
    undefined,
    'half dead: not yet',
  )
  t.same(plan(use(1, 256, 120), use(2, 256, 130)), [1], 'half dead, when the half of all is')
  t.equal(plan(use(1, 4, 2)), undefined, 'a few megabytes are not worth a file')
  t.same(plan(use(1, 256, 0), use(2, 256, 240)), [1], 'one that only hides older things becomes small')
  t.same(plan(use(9, 4, 3), use(2, 256, 3), use(3, 256, 240)), [9, 2], 'a neighbour no larger goes with it')
  t.equal(plan(use(9, 80, 70), use(2, 256, 3), use(3, 256, 240))?.length, 1, 'a larger one does not')
  t.same(plan(use(1, 256, 2), use(2, 256, 2), use(3, 256, 2)), [1, 2, 3], 'several at once')
  t.equal(planRelocation([use(1, 256, 3)], SEGMENT_BYTES, new Set([1])), undefined, 'damaged: not touched')
  t.same(
    planRelocation([use(1, 256, 3), use(2, 256, 3), use(3, 256, 3)], SEGMENT_BYTES, new Set([2])),
    [1],
    'nor with its neighbours',
  )
})

/** Segments whose content dies at fixed times (in segments written since): `[share, lifetime]`, lifetime Infinity: for ever. */
class Simulation {
  readonly segments: { id: number; fileBytes: number; parts: { bytes: number; diesAt: number }[] }[] = []
  now = 0
  written = 0
  copied = 0
  relocations = 0
  #nextId = 1

  write(mixture: readonly (readonly [number, number])[]): void {
    const payload = SEGMENT_BYTES * 0.92
    const parts = mixture.map(([share, lifetime]) => ({
      bytes: payload * share,
      diesAt: this.now + lifetime,
    }))
    this.segments.push({ id: this.#nextId++, fileBytes: SEGMENT_BYTES, parts })
    this.written += payload
  }

  /** A step of time; what is dead leaves, what is worth it is rewritten. */
  look(now: number): void {
    this.now = now
    for (const segment of this.segments) segment.parts = segment.parts.filter(({ diesAt }) => diesAt > now)
    for (let at = this.segments.length - 1; at >= 0; at--)
      if (this.segments[at].parts.length === 0) this.segments.splice(at, 1)
    for (;;) {
      const group = planRelocation(this.uses(), SEGMENT_BYTES)
      if (!group) return
      const first = this.segments.findIndex(({ id }) => id === group[0])
      const old = this.segments.slice(first, first + group.length)
      if (old.some(({ id }, at) => id !== group[at])) throw new Error('the group does not stand together')
      const parts = old.flatMap((segment) => segment.parts)
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
      const fileBytes = Math.max(2 * MIB, bytes * 1.12)
      this.segments.splice(first, group.length, { id: this.#nextId++, fileBytes, parts })
      this.copied += bytes
      this.relocations++
    }
  }

  uses(): SegmentUse[] {
    return this.segments.map(({ id, fileBytes, parts }) => ({
      id,
      fileBytes,
      liveBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    }))
  }

  get fileBytes(): number {
    return this.segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0)
  }

  get liveBytes(): number {
    return this.uses().reduce((sum, { liveBytes }) => sum + liveBytes, 0)
  }
}

t.test('a log of which one topic keeps one per cent for ever', async (t) => {
  const simulation = new Simulation()
  let worst = 0
  for (let segment = 0; segment < 400; segment++) {
    simulation.write([
      [0.01, Number.POSITIVE_INFINITY],
      [0.99, 4],
    ])
    // Looks come several times a segment; what dies does so in the middle.
    for (const part of [0.25, 0.5, 0.75, 1]) {
      simulation.look(segment + part)
      if (simulation.relocations > 0)
        worst = Math.max(worst, simulation.fileBytes / (1.5 * simulation.liveBytes + 2 * SEGMENT_BYTES))
    }
  }
  t.ok(worst <= 1, `files took ${worst.toFixed(2)} of what they may`)
  const amplification = simulation.copied / simulation.written
  t.ok(amplification < 0.1, `${(100 * amplification).toFixed(1)} % copied of what was written`)
  t.ok(simulation.segments.length < 30, `${simulation.segments.length} segments at the end`)
})

t.test('mixtures of every kind end, and stay near the bound', async (t) => {
  const random = seededRandom(t)
  for (let run = 0; run < 40; run++) {
    const lifetimes = Array.from({ length: 1 + random.below(5) }, () => 1 + random.below(60))
    if (random.below(2) === 0) lifetimes.push(Number.POSITIVE_INFINITY)
    const weights = lifetimes.map(() => random.unit() ** 3 + 0.001)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const mixture = lifetimes.map((lifetime, at) => [weights[at] / total, lifetime] as const)
    const simulation = new Simulation()
    let worst = 0
    for (let segment = 0; segment < 150; segment++) {
      simulation.write(mixture)
      for (const part of [0.25, 0.5, 0.75, 1]) {
        simulation.look(segment + part)
        worst = Math.max(worst, simulation.fileBytes / (1.5 * simulation.liveBytes + 2 * SEGMENT_BYTES))
      }
    }
    const amplification = simulation.copied / simulation.written
    const told = `${mixture.map(([share, lifetime]) => `${(100 * share).toFixed(1)} % for ${lifetime}`).join(', ')}`
    // Where topics of many lifetimes share all segments evenly, the bound would cost more copying than it is worth.
    if (worst > 1.25 || amplification > 1.5)
      t.fail(`${told}: files ${worst.toFixed(2)} of what they may take, copied ${amplification.toFixed(2)}`)
    // Silence: everything that can die does, and nothing is rewritten for ever.
    simulation.look(1_000)
    const before = simulation.relocations
    simulation.look(1_001)
    if (simulation.relocations !== before) t.fail(`${told}: it goes on rewriting in silence`)
  }
  t.pass('40 mixtures')
})
