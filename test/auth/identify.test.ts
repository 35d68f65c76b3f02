/** Who has to wait after wrong credentials, and for what: with ten that guess without end behind the same address. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { ApiKeyAuthenticator } from '../../auth/authenticators/api-key.ts'
import { mintApiKey, withNewSecret } from '../../auth/authenticators/api-key-token.ts'
import type { Authenticator } from '../../auth/authenticators/authenticator.ts'
import { Authenticators } from '../../auth/authenticators/chain.ts'
import { CredentialError } from '../../auth/credential-error.ts'
import { GuessThrottle } from '../../auth/guess-throttle.ts'
import type { GuessReport } from '../../auth/guess-watch.ts'
import { throttled } from '../../auth/identify.ts'
import { anonymousIdentity, type Identity } from '../../auth/identity.ts'
import { outcome } from './support/refusals.ts'
import { MemoryApiKeys } from './support/stores.ts'

const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const NAT = '192.0.2.1'

/** Tells signed tokens by their last part; there is one key, and it is at hand. */
class Signed implements Authenticator {
  readonly name = 'signed'
  verified = 0

  matches(token: string): boolean {
    return token.startsWith('eyJ.')
  }

  takesOneSignature(token: string): boolean {
    return token.startsWith('eyJ.known.')
  }

  async authenticate(token: string): Promise<Identity> {
    this.verified++
    if (token.endsWith('.right')) return anonymousIdentity
    throw new CredentialError('BAD_SIGNATURE', 'wrong')
  }
}

function setup() {
  let nowMs = 0
  const timers: { atMs: number; run: () => void }[] = []
  const keys = new MemoryApiKeys()
  let asked = 0
  /** Stands for whoever is asked over the network. */
  const remote: Authenticator = {
    name: 'remote',
    matches: () => true,
    authenticate: async (token) => {
      asked++
      if (token === 'good') return anonymousIdentity
      throw new CredentialError('REFUSED', 'wrong')
    },
  }
  const signed = new Signed()
  const reports: GuessReport[] = []
  const counts = { wrong: 0, throttled: 0 }
  const limits = { burst: 5, refillMs: 1_000, waitMsMax: 60_000, sourcesMax: 1_000 }
  const identify = throttled(
    new Authenticators([
      new ApiKeyAuthenticator(keys, { nowMs: () => nowMs, monotonicMs: () => nowMs }),
      signed,
      remote,
    ]),
    new GuessThrottle(limits, (report) => reports.push(report)),
    {
      clock: { monotonicMs: () => nowMs },
      timers: {
        after: (delayMs, run) => {
          timers.push({ atMs: nowMs + delayMs, run })
          return { cancel: () => {} }
        },
      },
      onGuess: (isThrottled) => {
        counts.wrong++
        if (isThrottled) counts.throttled++
      },
    },
  )
  const newKey = () => {
    const key = mintApiKey(random)
    const secretHashes = [{ hash: key.secretHash, expiresAtMs: null }]
    const rest = { name: 'x', createdAtMs: 0, expiresAtMs: null, groups: [], roles: [], scope: null }
    keys.records.set(key.id, { id: key.id, principal: 'agent', secretHashes, ...rest })
    return key
  }
  const advance = async (ms: number) => {
    nowMs += ms
    for (const timer of timers.splice(0)) {
      if (timer.atMs <= nowMs) timer.run()
      else timers.push(timer)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { identify, signed, newKey, advance, timers, reports, counts, asked: () => asked }
}

t.test('sixty agents with good keys come in while ten guess from the same address', async (t) => {
  const { identify, newKey, advance, timers, counts } = setup()
  const wrong = Array.from({ length: 10 }, () => mintApiKey(random).token)
  const guessing: Promise<string>[] = []
  for (let round = 0; round < 10; round++) {
    for (const token of wrong) guessing.push(outcome(identify(token, NAT)))
    await advance(100)
  }
  for (let i = 0; i < 60; i++) t.equal(await outcome(identify(newKey().token, NAT)), 'user:agent')
  const { id, token } = newKey()
  for (let i = 0; i < 10; i++)
    guessing.push(outcome(identify(withNewSecret(id, random).token, `198.51.100.${i}`)))
  t.equal(
    await outcome(identify(token, '203.0.113.9')),
    'user:agent',
    'nor is he shut out whose key is guessed at',
  )
  t.ok(timers.length > 0, 'refusals are held back')
  while (timers.length > 0) await advance(1_000)
  const outcomes = await Promise.all(guessing)
  t.equal(outcomes.filter((each) => each === 'REFUSED').length, 5 + 5, 'a burst is told at once')
  t.same([...new Set(outcomes)], ['REFUSED', 'THROTTLED'])
  t.same(counts, { wrong: 110, throttled: 100 })
})

t.test(
  'one that guesses in a row gets a refusal a second; an unknown key and a wrong secret alike',
  async (t) => {
    for (const isKnown of [false, true]) {
      const { identify, newKey, advance } = setup()
      const { id } = newKey()
      const guess = () => (isKnown ? withNewSecret(id, random) : mintApiKey(random)).token
      let told = 0
      let isOver = false
      const guessing = (async () => {
        while (!isOver) {
          await outcome(identify(guess(), NAT))
          told++
        }
      })()
      for (let i = 0; i < 600; i++) await advance(100)
      t.ok(told <= 5 + 61, `${told} in a minute`)
      t.ok(told >= 50, `${told} in a minute`)
      isOver = true
      await advance(1_000)
      await guessing
    }
  },
)

t.test('what is held back has a bound', async (t) => {
  const { identify, advance, timers } = setup()
  const guessing = Array.from({ length: 3_000 }, () => outcome(identify(mintApiKey(random).token, NAT)))
  await advance(0)
  const later = Array.from({ length: 3_000 }, () => outcome(identify(mintApiKey(random).token, NAT)))
  await advance(0)
  t.equal(timers.length, 1_000)
  await advance(1_000)
  t.equal(timers.length, 0)
  t.equal((await Promise.all([...guessing, ...later])).length, 6_000)
})

t.test('what somebody else would have to be asked about waits before that', async (t) => {
  const { identify, asked } = setup()
  for (let i = 0; i < 50; i++) await outcome(identify(`made-up-${i}`, NAT))
  t.equal(asked(), 5)
  t.equal(await outcome(identify('good', NAT)), 'THROTTLED')
  t.equal(await outcome(identify('good', '192.0.2.2')), 'user:anonymous')
  t.equal(asked(), 6)
})

t.test('an operator is told from where and at which key, in few lines and without any secret', async (t) => {
  const { identify, newKey, advance, reports } = setup()
  const { id } = newKey()
  const tokens: string[] = []
  const guess = (address: string, token: string) => {
    tokens.push(token)
    void outcome(identify(token, address))
    return advance(10)
  }
  for (let i = 0; i < 4; i++) await guess(NAT, mintApiKey(random).token)
  t.same(reports, [], 'a mistake or two are nobody’s business')
  for (let i = 0; i < 96; i++) await guess(NAT, mintApiKey(random).token)
  t.same(reports.splice(0), [{ kind: 'address', source: NAT, refusals: 5 }])
  for (let i = 0; i < 20; i++) await guess(`198.51.100.${i}`, withNewSecret(id, random).token)
  t.same(reports.splice(0), [{ kind: 'key', source: id, refusals: 5 }])
  await advance(60_000)
  for (let i = 0; i < 20; i++) await guess(NAT, mintApiKey(random).token)
  const [later] = reports.splice(0)
  t.match(later, { kind: 'address', source: NAT })
  t.ok(later.refusals >= 96, `${later.refusals} since then`)
  for (let i = 0; i < 100; i++)
    for (let k = 0; k < 6; k++) await guess(`203.0.113.${i}`, mintApiKey(random).token)
  t.equal(reports.length, 9, 'ten a minute')
  const said = JSON.stringify(reports)
  t.equal(tokens.filter((token) => said.includes(token.slice(-43))).length, 0)
})

t.test('tokens are renewed while a stranger behind the same address sends wrong ones', async (t) => {
  const { identify, signed, advance, timers } = setup()
  let sent = 0
  const guessing: Promise<string>[] = []
  const guess = async (form: string) => {
    for (let i = 0; i < 100; i++) guessing.push(outcome(identify(`${form}.${sent++}`, NAT)))
    await advance(0)
  }
  await guess('eyJ.unknown')
  signed.verified = 0
  t.equal(await outcome(identify('eyJ.known.1.right', NAT)), 'user:anonymous', 'with a key that is at hand')
  t.equal(await outcome(identify('eyJ.unknown.1.right', NAT)), 'THROTTLED')
  await advance(1_000)
  await guess('eyJ.known')
  t.equal(signed.verified, 1 + 10, 'no more than the rate')
  t.equal(await outcome(identify('eyJ.known.2.right', NAT)), 'THROTTLED', 'which a newcomer there shares')
  t.equal(await outcome(identify('eyJ.known.2.right', NAT, 'ada')), 'user:anonymous', 'who renews does not')
  t.equal(await outcome(identify('eyJ.unknown.2.right', NAT, 'ada')), 'user:anonymous')
  t.equal(await outcome(identify('eyJ.known.2.right', NAT)), 'user:anonymous', 'and may connect anew with it')
  t.equal(await outcome(identify('good', NAT)), 'THROTTLED')
  t.equal(await outcome(identify('good', NAT, 'ada')), 'user:anonymous', 'also where another server is asked')
  while (timers.length > 0) await advance(1_000)
  const outcomes = await Promise.all(guessing)
  t.equal(outcomes.filter((each) => each === 'BAD_SIGNATURE').length, 100, 'what came at once')
  t.equal(outcomes.filter((each) => each === 'THROTTLED').length, 100)
})

t.test('who has come in cannot guess without end', async (t) => {
  const { identify, asked, timers, advance } = setup()
  const guessing: Promise<string>[] = []
  for (let i = 0; i < 50; i++) guessing.push(outcome(identify(`made-up-${i}`, NAT, 'eve')))
  await advance(0)
  for (let i = 0; i < 50; i++) guessing.push(outcome(identify(`eyJ.known.${i}`, NAT, 'eve')))
  await advance(0)
  const outcomes = Promise.all(guessing)
  t.ok(timers.length >= 45, 'refusals are held back')
  while (timers.length > 0) await advance(1_000)
  t.equal((await outcomes).filter((each) => each !== 'THROTTLED').length, 50, 'those that came at once')
  t.equal(await outcome(identify('good', NAT, 'ada')), 'user:anonymous', 'and nobody else waits for it')
  t.equal(asked(), 51)
})
