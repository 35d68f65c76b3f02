/**
 * Authenticate: who the caller is from now on. The token is looked at by whoever its shape is for, and is not kept
 * and never logged. What is wrong with it is told to the caller in a sentence without any part of it.
 */
import { CredentialError } from '../../auth/credential-error.ts'
import type { Identify } from '../../auth/identify.ts'
import type { Identity } from '../../auth/identity.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { callerOf } from './authorization.ts'
import type { RequestContext, RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'

const MECHANISM = 'token'

export interface AuthenticateDependencies {
  /** Rejects with CredentialError. */
  readonly identify: Identify
  /** Makes the session that identity's, or throws ProtocolError. */
  readonly admit: (session: RequestSession, identity: Identity) => Promise<void>
  /** Whether one may go on without a credential. */
  readonly isAnonymousAllowed: boolean
}

export function authenticateHandler(dependencies: AuthenticateDependencies): Handler<'authenticate'> {
  return async ({ mechanism, token }, context) => {
    if (mechanism !== MECHANISM)
      throw new ProtocolError(
        ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        `the only mechanism is ${JSON.stringify(MECHANISM)}`,
      )
    const { expiresAtMs } = await authenticate(dependencies, token, context)
    return {
      required: !dependencies.isAnonymousAllowed,
      principal: callerOf(context.session),
      expiresAtMs: expiresAtMs ?? null,
    }
  }
}

/** The session becomes that of whom the credential is for. Throws ProtocolError for what is no good. */
export async function authenticate(
  { identify, admit }: AuthenticateDependencies,
  token: string,
  { session, connection }: RequestContext,
): Promise<Identity> {
  let identity: Identity
  try {
    // Who renews does not wait for what strangers at his address do.
    const known = session.isAuthenticated ? session.identity.principal.name : undefined
    identity = await identify(token, connection.remoteAddress, known)
  } catch (error) {
    throw error instanceof CredentialError ? refusalOfCredential(error) : error
  }
  await admit(session, identity)
  return identity
}

/** What can be tried again is told apart from what is wrong with the credential. */
export function refusalOfCredential({ code, message, retryAfterMs }: CredentialError): ProtocolError {
  const isPassing = code === 'UNAVAILABLE' || code === 'THROTTLED'
  return new ProtocolError(
    isPassing ? ErrorCode.AUTHENTICATION_UNAVAILABLE : ErrorCode.SASL_AUTHENTICATION_FAILED,
    message,
    { retryAfterMs: retryAfterMs ?? 0 },
  )
}
