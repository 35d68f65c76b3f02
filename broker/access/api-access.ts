/**
 * What each API asks of the caller before its handler runs: one row for every API there is, which a test holds to
 * the API table.
 *
 * - `open`: nothing; it is how one becomes somebody.
 * - `session`: a credential that is good now, or that anonymous callers are let in. It tells only about oneself, or
 *   its handler asks about each entry, with what is named in it.
 * - an operation: the same, and the right to it on the cluster.
 */
import type { Operation } from '../../auth/acl/operation.ts'
import type { ApiName } from '../handlers/handlers.ts'

export type ApiRule = 'open' | 'session' | { readonly cluster: Operation }

export const apiAccess: { readonly [K in ApiName]: ApiRule } = {
  hello: 'open',
  authenticate: 'open',
  whoami: 'session',
  produce: 'session',
  fetch: 'session',
  listOffsets: 'session',
  metadata: 'session',
  createTopics: 'session',
  deleteTopics: 'session',
  alterTopics: 'session',
  describeTopics: 'session',
  listTopics: 'session',
  initProducerId: 'session',
  describeProducers: 'session',
  groupHeartbeat: 'session',
  offsetCommit: 'session',
  offsetFetch: 'session',
  offsetDelete: 'session',
  listGroups: 'session',
  describeGroups: 'session',
  deleteGroups: 'session',
  describeAcls: 'session',
  createAcls: 'session',
  deleteAcls: 'session',
  explainAccess: 'session',
  createKey: 'session',
  listKeys: 'session',
  revokeKeys: 'session',
  rotateKey: 'session',
  createNamespace: 'session',
  listNamespaces: 'session',
  alterNamespace: 'session',
  deleteNamespace: 'session',
  issueToken: 'session',
  revokeToken: 'session',
  rotateIssuerKey: { cluster: 'alter' },
  status: { cluster: 'describe' },
}
