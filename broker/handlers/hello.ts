/**
 * Hello: says who the server is, what it speaks and what it bounds. The window is the caller's share now. A credential
 * that came with the upgrade is looked at here, so that what is wrong with it is told.
 */
import { apis } from '../../client/protocol/api.ts'
import type { ServerLimits } from '../server/limits.ts'
import type { ProduceBudget } from '../server/produce-budget.ts'
import { SOFTWARE } from '../version.ts'
import { type AuthenticateDependencies, authenticate } from './authenticate.ts'
import type { Handler } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'

export interface HelloDependencies {
  readonly identity: NodeIdentity
  readonly limits: ServerLimits
  readonly budget: ProduceBudget
  readonly credentials: AuthenticateDependencies
}

export function helloHandler(dependencies: HelloDependencies): Handler<'hello'> {
  const { identity, limits, budget, credentials } = dependencies
  const versions = Object.values(apis).map(({ key, name, versionMin, versionMax }) => ({
    key,
    name,
    versionMin,
    versionMax,
  }))
  return async (_request, context) => {
    const token = context.connection.takeOfferedToken?.()
    if (token !== undefined) await authenticate(credentials, token, context)
    return {
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      software: SOFTWARE,
      apis: versions,
      limits: {
        frameBytesMax: limits.frameBytesMax,
        batchBytesMax: limits.batchBytesMax,
        windowBytes: budget.grantBytes,
        inFlightRequestsMax: limits.inFlightRequestsMax,
        fetchBytesMax: limits.fetchBytesMax,
      },
      authenticationRequired: !context.session.isAuthenticated && !credentials.isAnonymousAllowed,
      serverTimeMs: context.clock.nowMs(),
    }
  }
}
