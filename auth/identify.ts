/**
 * The one way from a credential to an identity: whoever failed often waits first, then the authenticators are asked, and
 * how it went is remembered for the next time.
 *
 * A whole API key does not wait: it is looked at, which is cheap, and only its refusal is held back. So a guesser shuts out
 * nobody who shares his address; and whether he hears it or not, a key of 256 random bits is not found by trying. Nor is a
 * signature: a signed token is looked at, too, where its key is at hand, always for who is authenticated already and else
 * at a rate that costs little. What another server would have to be asked about waits.
 */
import { parseApiKey } from './authenticators/api-key-token.ts'
import type { Authenticators } from './authenticators/chain.ts'
import { CredentialError } from './credential-error.ts'
import type { GuessThrottle, Sender } from './guess-throttle.ts'
import type { Identity } from './identity.ts'
import type { Clock, Timers } from './ports.ts'

/**
 * Rejects with CredentialError and nothing else, whatever the text.
 * @param principal the name of the user who has shown on the same connection who he is, if one has
 */
export type Identify = (token: string, remoteAddress: string, principal?: string) => Promise<Identity>

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
  authenticators: Pick<Authenticators, 'authenticate' | 'takesOneSignature'>,
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

  /** Whether it is looked at although its sender has to wait, and only the refusal held back. */
  function isLookedAt(token: string, sender: Sender): boolean {
    return authenticators.takesOneSignature(token) && throttle.takeSignature(sender, clock.monotonicMs())
  }

  return async (token, remoteAddress, principal) => {
    const sender = { remoteAddress, principal }
    const waitMs = () => throttle.admit(sender, token, clock.monotonicMs()).waitMs
    let isHeld = parseApiKey(token) !== undefined
    if (!isHeld && waitMs() > 0) {
      isHeld = isLookedAt(token, sender)
      if (!isHeld) {
        onGuess(true)
        throw tooMany(waitMs(), sender)
      }
    }
    try {
      const identity = await authenticators.authenticate(token)
      throttle.succeeded(sender, token, clock.monotonicMs())
      return identity
    } catch (error) {
      if (!(error instanceof CredentialError)) throw error
      const owedMs = isHeld ? waitMs() : 0
      if (!throttle.failed(sender, token, error.code, clock.monotonicMs())) throw error
      onGuess(owedMs > 0)
      if (owedMs === 0) throw error
      await hold(owedMs)
      throw tooMany(owedMs, sender)
    }
  }
}

function tooMany(waitMs: number, { principal }: Sender): CredentialError {
  const source = principal === undefined ? 'from this address' : 'of this user'
  return new CredentialError(
    'THROTTLED',
    `there were too many wrong credentials ${source}, or for this key; wait ${waitMs} ms`,
    waitMs,
  )
}
