/** Hello: says who the server is, what it speaks and what it bounds. The window is the caller's share now. */
import { apis } from '../../client/protocol/api.ts'
import type { ServerLimits } from '../server/limits.ts'
import type { ProduceBudget } from '../server/produce-budget.ts'
import { SOFTWARE } from '../version.ts'
import type { Handler } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'

export interface HelloDependencies {
  readonly identity: NodeIdentity
  readonly limits: ServerLimits
  readonly budget: ProduceBudget
  /** Whether one may go on without a credential. */
  readonly isAnonymousAllowed: boolean
}

export function helloHandler(dependencies: HelloDependencies): Handler<'hello'> {
  const { identity, limits, budget, isAnonymousAllowed } = dependencies
  const versions = Object.values(apis).map(({ key, name, versionMin, versionMax }) => ({
    key,
    name,
    versionMin,
    versionMax,
  }))
  return async (_request, { clock }) => ({
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
    authenticationRequired: !isAnonymousAllowed,
    serverTimeMs: clock.nowMs(),
  })
}
