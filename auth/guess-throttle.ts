/**
 * Brute force slowed by address and by key. By address, whoever fails often waits; wrong API keys make nobody wait who
 * shows a token, and wrong tokens nobody who shows a key. By key, guesses from many addresses at one key's secret wait, too.
 * Who has shown who he is already, and renews, is counted by his name instead of his address: strangers there are not he.
 *
 * Nobody can lock out others with that: a credential that was right from an address before is no guess there, and
 * waits for nothing, until it is refused. So agents go on that share their address with one whose key was revoked, or
 * whose key's id, which is no secret, somebody else fails with. And a whole API key is looked at all the same, since
 * that costs one hash and 256 random bits cannot be guessed: waiting is for the refusals. The same goes for signatures,
 * which cost more: those of addresses that would have to wait have a rate.
 */
import { createHash } from 'node:crypto'
import { looksLikeApiKey, parseApiKey } from './authenticators/api-key-token.ts'
import { TOKEN_CHARACTERS_MAX } from './authenticators/authenticator.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { CredentialErrorCode } from './credential-error.ts'
import { type GuessReport, GuessWatch } from './guess-watch.ts'
import { Throttle, type ThrottleLimits } from './throttle.ts'

/**
 * What a guess is answered with. Other refusals are no guesses: an agent with an expired token, or one for another
 * service, must not slow all that share its address.
 */
const GUESSES: readonly CredentialErrorCode[] = ['REFUSED', 'MALFORMED', 'BAD_SIGNATURE', 'BAD_ALGORITHM']

/** Signatures that are looked at although the address would have to wait; in a second 10 for each, 50 for all together. */
const SIGNATURES_OF_PLACE = { burst: 10, refillMs: 100, waitMsMax: 100 }
const SIGNATURES_OF_ALL = { burst: 50, refillMs: 20, waitMsMax: 20, sourcesMax: 1 }
const ALL = ''

/** Where a credential comes from. */
export interface Sender {
  readonly remoteAddress: string
  /** Who has shown on the same connection that he is that; undefined: nobody. */
  readonly principal: string | undefined
}

export class GuessThrottle {
  /** By {@link sourceOf}. */
  readonly #bySource: Throttle
  readonly #byKey: Throttle
  readonly #watch: GuessWatch
  /** Digests of address and credential that were right together. */
  readonly #known: BoundedCache<true>
  readonly #signaturesOf: Throttle
  readonly #signatures = new Throttle(SIGNATURES_OF_ALL)

  constructor(limits: ThrottleLimits, report: (report: GuessReport) => void) {
    this.#watch = new GuessWatch(report)
    this.#bySource = new Throttle(limits)
    this.#byKey = new Throttle(limits)
    this.#known = new BoundedCache(limits.sourcesMax)
    this.#signaturesOf = new Throttle({ ...SIGNATURES_OF_PLACE, sourcesMax: limits.sourcesMax })
  }

  /** How long to wait before the credential is looked at; 0: not at all. */
  admit(sender: Sender, token: string, nowMs: number): { readonly waitMs: number } {
    const keyId = parseApiKey(token)?.id
    const waitMs = Math.max(
      this.#bySource.admit(sourceOf(sender, token), nowMs).waitMs,
      keyId === undefined ? 0 : this.#byKey.admit(keyId, nowMs).waitMs,
    )
    if (waitMs === 0 || token.length > TOKEN_CHARACTERS_MAX) return { waitMs }
    return { waitMs: this.#known.get(digestOf(sender, token)) ? 0 : waitMs }
  }

  /** Whether a signature may be looked at although its sender has to wait; if so, it is counted. */
  takeSignature({ remoteAddress, principal }: Sender, nowMs: number): boolean {
    if (principal !== undefined) return true
    const place = placeOf(remoteAddress)
    if (this.#signaturesOf.admit(place, nowMs).waitMs > 0 || this.#signatures.admit(ALL, nowMs).waitMs > 0)
      return false
    this.#signaturesOf.failed(place, nowMs)
    this.#signatures.failed(ALL, nowMs)
    return true
  }

  /**
   * @param code why it was not accepted; not every reason counts
   * @returns whether it counts as a guess
   */
  failed(sender: Sender, token: string, code: CredentialErrorCode, nowMs: number): boolean {
    if (!GUESSES.includes(code)) return false
    const { remoteAddress, principal } = sender
    const kind = principal === undefined ? 'address' : 'user'
    this.#count(kind, this.#bySource, sourceOf(sender, token), principal ?? placeOf(remoteAddress), nowMs)
    const keyId = parseApiKey(token)?.id
    if (keyId !== undefined) this.#count('key', this.#byKey, keyId, keyId, nowMs)
    this.#known.delete(digestOf(sender, token))
    return true
  }

  succeeded(sender: Sender, token: string, nowMs: number): void {
    this.#bySource.succeeded(sourceOf(sender, token), nowMs)
    this.#known.set(digestOf(sender, token), true)
  }

  #count(kind: GuessReport['kind'], throttle: Throttle, source: string, name: string, nowMs: number): void {
    throttle.failed(source, nowMs)
    this.#watch.refused(kind, name, throttle.admit(source, nowMs).waitMs > 0, nowMs)
  }
}

/** No name of a user can be read as an address, nor one kind as the other. */
function sourceOf({ remoteAddress, principal }: Sender, token: string): string {
  const source = principal === undefined ? `at ${placeOf(remoteAddress)}` : `user ${principal}`
  return `${looksLikeApiKey(token) ? 'keys' : 'tokens'} ${source}`
}

function digestOf({ remoteAddress }: Sender, token: string): string {
  return createHash('sha256').update(placeOf(remoteAddress)).update('\n').update(token).digest('base64url')
}

/**
 * Who counts as one: an IPv4 address, also where it is written as IPv6 (`::ffff:192.0.2.1`), and the /64 of an IPv6
 * address, which is what one customer gets. What is no address counts as it stands.
 */
export function placeOf(address: string): string {
  const mapped = /^(?:::|(?:0{1,4}:){5})ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)
  if (mapped) return mapped[1]
  const bare = address.replace(/%.*$/, '').toLowerCase()
  if (!/^[0-9a-f:.]+$/.test(bare) || !bare.includes(':')) return bare
  const [head, tail] = bare.split('::', 2).map((part) => (part === '' ? [] : part.split(':')))
  const groups =
    tail === undefined
      ? head
      : [...head, ...Array(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail]
  const words = groups.map((group) => group.replace(/^0+(?=.)/, ''))
  if (words.length === 8 && words.slice(0, 5).every((word) => word === '0') && words[5] === 'ffff') {
    const [high, low] = [Number.parseInt(words[6], 16), Number.parseInt(words[7], 16)]
    return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  }
  return `${words.slice(0, 4).join(':')}::/64`
}
