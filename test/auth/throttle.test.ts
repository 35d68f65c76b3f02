/** Guesses are slowed: the bucket against one that replays its whole history, and what address and key mean. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { mintApiKey, withNewSecret } from '../../auth/authenticators/api-key-token.ts'
import { GuessThrottle, placeOf, type Sender } from '../../auth/guess-throttle.ts'
import { Throttle, type ThrottleLimits } from '../../auth/throttle.ts'
import { seededRandom } from '../support/seeded-random.ts'

const limits = { burst: 5, refillMs: 1_000, waitMsMax: 10_000, sourcesMax: 1_000 }
const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }

const at = (remoteAddress: string, principal?: string): Sender => ({ remoteAddress, principal })

/** Everything that happened to one source, counted anew ms by ms each time it is asked. */
class History {
  readonly #limits: ThrottleLimits
  readonly #events: { readonly atMs: number; readonly isFailure: boolean }[] = []

  constructor(limits: ThrottleLimits) {
    this.#limits = limits
  }

  add(isFailure: boolean, atMs: number): void {
    this.#events.push({ atMs, isFailure })
  }

  waitMs(nowMs: number): number {
    const { burst, refillMs, waitMsMax } = this.#limits
    const debtMax = (burst - 1) * refillMs + waitMsMax
    // A debt in ms: each failure is worth refillMs, and time pays.
    let debtMs = 0
    let atMs = 0
    let forgivenAtMs = Number.NEGATIVE_INFINITY
    for (const event of this.#events) {
      while (atMs < event.atMs) {
        atMs++
        debtMs = Math.max(0, debtMs - 1)
      }
      if (event.isFailure) debtMs = Math.min(debtMax, debtMs + refillMs)
      else if (debtMs > 0 && event.atMs - forgivenAtMs >= refillMs) {
        forgivenAtMs = event.atMs
        debtMs = Math.max(0, debtMs - refillMs)
      }
    }
    while (atMs < nowMs) {
      atMs++
      debtMs = Math.max(0, debtMs - 1)
    }
    return Math.max(0, debtMs - (burst - 1) * refillMs)
  }
}

t.test('a burst, then one a refill; a success forgives one, once a refill', async (t) => {
  const throttle = new Throttle(limits)
  const wait = (nowMs: number) => throttle.admit('a', nowMs).waitMs
  for (let i = 0; i < 5; i++) {
    t.equal(wait(0), 0, `failure ${i + 1} is let through`)
    throttle.failed('a', 0)
  }
  t.equal(wait(0), 1_000)
  t.equal(wait(400), 600)
  t.equal(wait(1_000), 0)
  throttle.failed('a', 1_000)
  t.equal(wait(1_000), 1_000)
  for (let i = 0; i < 100; i++) throttle.succeeded('a', 1_000)
  t.equal(wait(1_000), 0, 'one is forgiven')
  throttle.failed('a', 1_000)
  for (let i = 0; i < 100; i++) throttle.succeeded('a', 1_900)
  t.equal(wait(1_900), 100, 'and no other within a refill')
  for (let i = 0; i < 10_000; i++) throttle.failed('a', 2_000)
  t.equal(wait(2_000), 10_000, 'the wait has a bound')
  t.equal(throttle.admit('b', 2_000).waitMs, 0, 'others are not slowed')
  t.equal(wait(1_000_000), 0)
  t.equal(throttle.size, 0, 'who has recovered is forgotten')
})

t.test('whoever holds one good key guesses at twice the pace at most', async (t) => {
  const throttle = new Throttle(limits)
  let guesses = 0
  for (let nowMs = 0; nowMs < 600_000; nowMs += 10) {
    throttle.succeeded('a', nowMs)
    if (throttle.admit('a', nowMs).waitMs > 0) continue
    throttle.failed('a', nowMs)
    guesses++
  }
  t.ok(guesses <= 5 + 2 * 600 + 1, `${guesses} guesses in 600 s`)
})

t.test('as the whole history says', async (t) => {
  const random = seededRandom(t)
  for (let run = 0; run < 50; run++) {
    const limits = {
      burst: 1 + random.below(6),
      refillMs: 1 + random.below(400),
      waitMsMax: 500 + random.below(2_000),
      sourcesMax: 10,
    }
    const throttle = new Throttle(limits)
    const history = new History(limits)
    let nowMs = 0
    for (let step = 0; step < 60; step++) {
      nowMs += random.pick([0, 0, 1, random.below(50), random.below(1_000)])
      const isFailure = random.unit() < 0.7
      if (isFailure) throttle.failed('a', nowMs)
      else throttle.succeeded('a', nowMs)
      history.add(isFailure, nowMs)
      const { waitMs } = throttle.admit('a', nowMs)
      const expected = history.waitMs(nowMs)
      if (waitMs !== expected)
        t.equal(waitMs, expected, `run ${run}, step ${step}, ${JSON.stringify(limits)}`)
    }
  }
  t.pass('50 runs')
})

t.test('strangers do not fill the memory', async (t) => {
  const throttle = new Throttle(limits)
  for (let i = 0; i < 5; i++) throttle.failed('the guesser', 0)
  for (let i = 0; i < 10_000; i++) {
    throttle.failed(`stranger ${i}`, 0)
    if (i % 500 === 0) throttle.admit('the guesser', 0)
  }
  t.equal(throttle.size, limits.sourcesMax)
  t.equal(throttle.admit('the guesser', 0).waitMs, 1_000, 'who goes on is remembered')
})

t.test('guesses at one key from many addresses wait; its owner at his place does not', async (t) => {
  const throttle = new GuessThrottle(limits, () => {})
  const key = mintApiKey(random)
  const guess = () => withNewSecret(key.id, random).token
  throttle.succeeded(at('192.0.2.1'), key.token, 0)
  for (let i = 0; i < 5; i++) throttle.failed(at(`198.51.100.${i}`), guess(), 'REFUSED', 0)
  t.equal(throttle.admit(at('203.0.113.9'), guess(), 0).waitMs, 1_000, 'a new address')
  t.equal(throttle.admit(at('203.0.113.9'), mintApiKey(random).token, 0).waitMs, 0, 'with another key')
  t.equal(throttle.admit(at('192.0.2.1'), guess(), 0).waitMs, 1_000, 'a guess from where the owner is')
  t.equal(throttle.admit(at('192.0.2.1'), key.token, 0).waitMs, 0, 'the owner')
})

t.test('who shares an address with one that fails goes on, until he fails himself', async (t) => {
  const throttle = new GuessThrottle(limits, () => {})
  const key = mintApiKey(random).token
  throttle.succeeded(at('192.0.2.1'), key, 0)
  throttle.succeeded(at('192.0.2.1'), 'eyJ.good.token', 0)
  for (let i = 0; i < 100; i++)
    for (const wrong of ['oct_revoked', 'eyJ.wrong.token'])
      throttle.failed(at('192.0.2.1'), wrong, 'REFUSED', 0)
  t.equal(throttle.admit(at('192.0.2.1'), key, 0).waitMs, 0)
  t.equal(throttle.admit(at('192.0.2.1'), 'eyJ.good.token', 0).waitMs, 0)
  t.equal(throttle.admit(at('192.0.2.1'), 'eyJ.new.token', 0).waitMs, 10_000, 'what was never right waits')
  t.equal(throttle.admit(at('192.0.2.1'), 'x'.repeat(20_000), 0).waitMs, 10_000)
  throttle.failed(at('192.0.2.1'), key, 'REFUSED', 0)
  t.equal(throttle.admit(at('192.0.2.1'), key, 0).waitMs, 10_000, 'so does what is right no more')
})

t.test('who has come in is counted by his name, and strangers at his address are not he', async (t) => {
  const throttle = new GuessThrottle(limits, () => {})
  const fail = (principal?: string) => throttle.failed(at('192.0.2.1', principal), 'eyJ.e.', 'REFUSED', 0)
  const waitMs = (address: string, principal?: string) =>
    throttle.admit(at(address, principal), 'opaque', 0).waitMs
  for (let i = 0; i < 100; i++) fail()
  t.equal(waitMs('192.0.2.1'), 10_000)
  t.equal(waitMs('192.0.2.1', 'ada'), 0)
  for (let i = 0; i < 5; i++) fail('ada')
  t.equal(waitMs('192.0.2.1', 'ada'), 1_000, 'his own mistakes are his')
  t.equal(waitMs('198.51.100.1', 'ada'), 1_000, 'wherever he is')
  t.equal(waitMs('192.0.2.1', 'bob'), 0)
  t.equal(waitMs('ada'), 0, 'a name is no address')
  throttle.succeeded(at('192.0.2.1', 'bob'), 'opaque', 0)
  t.equal(waitMs('192.0.2.1'), 0, 'what was right is known there without a name, too')
})

t.test('signatures of those who would have to wait have a rate, each and all together', async (t) => {
  const throttle = new GuessThrottle(limits, () => {})
  const taken = (address: string, nowMs: number, principal?: string) => {
    let count = 0
    while (count < 1_000 && throttle.takeSignature(at(address, principal), nowMs)) count++
    return count
  }
  t.equal(taken('192.0.2.1', 0), 10)
  t.equal(taken('192.0.2.1', 1_000), 10)
  t.equal(taken('192.0.2.1', 1_050), 0)
  t.equal(taken('192.0.2.1', 1_100), 1)
  let all = 0
  for (let i = 0; i < 100; i++) all += taken(`198.51.100.${i}`, 10_000)
  t.equal(all, 50)
  t.equal(taken('192.0.2.1', 10_000, 'ada'), 1_000, 'who has come in is not held up by that')
})

t.test('guesses from one address wait, whatever they are', async (t) => {
  const throttle = new GuessThrottle(limits, () => {})
  for (let i = 0; i < 5; i++) throttle.failed(at('192.0.2.1'), mintApiKey(random).token, 'REFUSED', 0)
  t.equal(throttle.admit(at('192.0.2.1'), mintApiKey(random).token, 0).waitMs, 1_000)
  t.equal(throttle.admit(at('192.0.2.1'), 'oct_half', 0).waitMs, 1_000)
  t.equal(throttle.admit(at('192.0.2.2'), mintApiKey(random).token, 0).waitMs, 0)
  t.equal(throttle.admit(at('192.0.2.1'), 'eyJ.e.', 0).waitMs, 0, 'keys make no tokens wait')
  for (let i = 0; i < 5; i++) throttle.failed(at('192.0.2.1'), i % 2 ? 'eyJ.e.' : 'opaque', 'REFUSED', 0)
  t.equal(throttle.admit(at('192.0.2.1'), 'eyJ.e.', 0).waitMs, 1_000)
  t.equal(throttle.admit(at('192.0.2.2'), 'eyJ.e.', 0).waitMs, 0)
  for (let i = 0; i < 50; i++) throttle.failed(at('192.0.2.3'), 'eyJ.e.', 'EXPIRED', 0)
  t.equal(throttle.admit(at('192.0.2.3'), 'eyJ.e.', 0).waitMs, 0, 'an expired token is no guess')
})

t.test('what counts as one address', async (t) => {
  for (const [address, place] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
    ['unknown', 'unknown'],
    ['::::', '0:0:0:0::/64'],
  ])
    t.equal(placeOf(address), place, address)
})
