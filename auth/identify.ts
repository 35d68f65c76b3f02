/**
 * The one way from a credential to an identity: whoever failed often waits first, then the authenticators are asked, and
 * how it went is remembered for the next time.
 */
import type { Authenticators } from './authenticators/chain.ts'
import { CredentialError } from './credential-error.ts'
import type { GuessThrottle } from './guess-throttle.ts'
import type { Identity } from './identity.ts'
import type { Clock } from './ports.ts'

/** Rejects with CredentialError and nothing else, whatever the text. */
export type Identify = (token: string, remoteAddress: string) => Promise<Identity>

export function throttled(
  authenticators: Authenticators,
  throttle: GuessThrottle,
  clock: Pick<Clock, 'monotonicMs'>,
): Identify {
  return async (token, remoteAddress) => {
    const { waitMs } = throttle.admit(remoteAddress, token, clock.monotonicMs())
    if (waitMs > 0)
      throw new CredentialError(
        'THROTTLED',
        `there were too many wrong credentials from this address, or for this key; wait ${waitMs} ms`,
        waitMs,
      )
    try {
      const identity = await authenticators.authenticate(token)
      throttle.succeeded(remoteAddress, token, clock.monotonicMs())
      return identity
    } catch (error) {
      if (error instanceof CredentialError)
        throttle.failed(remoteAddress, token, error.code, clock.monotonicMs())
      throw error
    }
  }
}
