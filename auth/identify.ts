/**
 * The one way from a credential to an identity: whoever failed often waits first, then the authenticators are asked, and
 * how it went is remembered for the next time.
 *
 * A whole API key does not wait: it is looked at, which is cheap, and only its refusal is held back. So a guesser shuts out
 * nobody who shares his address; and whether he hears it or not, a key of 256 random bits is not found by trying.
 */
import { parseApiKey } from './authenticators/api-key-token.ts'
import type { Authenticators } from './authenticators/chain.ts'
import { CredentialError } from './credential-error.ts'
import type { GuessThrottle } from './guess-throttle.ts'
import type { Identity } from './identity.ts'
import type { Clock, Timers } from './ports.ts'

/** Rejects with CredentialError and nothing else, whatever the text. */
export type Identify = (token: string, remoteAddress: string) => Promise<Identity>

export interface IdentifyPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly timers: Timers
  /** Told of each wrong credential, and whether it was made to wait. */
  readonly onGuess: (isThrottled: boolean) => void
}

/** Longest time for which a refusal is held back; the rest of the wait is told. */
const HELD_MS_MAX = 1_000
/** Refusals that are held back at one time; others are told at once. */
const HELD_MAX = 1_000

export function throttled(
  authenticators: Pick<Authenticators, 'authenticate'>,
  throttle: GuessThrottle,
  { clock, timers, onGuess }: IdentifyPorts,
): Identify {
  let held = 0

  async function hold(waitMs: number): Promise<void> {
    if (held >= HELD_MAX) return
    held++
    await new Promise<void>((resolve) => {
      timers.after(Math.min(waitMs, HELD_MS_MAX), resolve)
    })
    held--
  }

  return async (token, remoteAddress) => {
    const waitMs = () => throttle.admit(remoteAddress, token, clock.monotonicMs()).waitMs
    const isWholeKey = parseApiKey(token) !== undefined
    if (!isWholeKey && waitMs() > 0) {
      onGuess(true)
      throw tooMany(waitMs())
    }
    try {
      const identity = await authenticators.authenticate(token)
      throttle.succeeded(remoteAddress, token, clock.monotonicMs())
      return identity
    } catch (error) {
      if (!(error instanceof CredentialError)) throw error
      const owedMs = isWholeKey ? waitMs() : 0
      if (!throttle.failed(remoteAddress, token, error.code, clock.monotonicMs())) throw error
      onGuess(owedMs > 0)
      if (owedMs === 0) throw error
      await hold(owedMs)
      throw tooMany(owedMs)
    }
  }
}

function tooMany(waitMs: number): CredentialError {
  return new CredentialError(
    'THROTTLED',
    `there were too many wrong credentials from this address, or for this key; wait ${waitMs} ms`,
    waitMs,
  )
}
