/** Create ACLs: each entry succeeds or fails on its own, and is in force when it is answered. */

import { namespaceOfPattern } from '../../auth/acl/resource.ts'
import type { AclToCreate } from '../../client/protocol/messages/acls.ts'
import type { AclStore } from '../access/acl-store.ts'
import { type NamespaceStore, unknownNamespace } from '../access/namespace-store.ts'
import { checkExpiry, checkShowable, invalid, principalOf, rightOf } from './access-words.ts'
import { writeRefusal } from './acl-rights.ts'
import { callerOf } from './authorization.ts'
import type { RequestContext } from './context.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

export function createAclsHandler(
  acls: Pick<AclStore, 'put'>,
  namespaces: Pick<NamespaceStore, 'get'>,
  onProblem: (error: Error) => void,
): Handler<'createAcls'> {
  async function createOne(wanted: AclToCreate, { session, clock }: RequestContext): Promise<string> {
    const { principal, effect, expiresAtMs, note } = wanted
    principalOf(principal)
    if (effect !== 'allow' && effect !== 'deny')
      throw invalid(`effect is ${JSON.stringify(effect)}; it must be "allow" or "deny"`)
    const { operations, resource } = rightOf(wanted.operations, wanted.resource)
    if (note !== null) checkShowable('note', note)
    checkExpiry(expiresAtMs, clock.nowMs())
    const refusal = writeRefusal(session, { resource, effect })
    if (refusal) throw refusal
    // Nothing is left for whoever has the name of a namespace next. In this very turn: one that goes waits for it.
    const namespace = namespaceOfPattern(resource)
    if (namespace !== undefined && !namespaces.get(namespace)) throw unknownNamespace(namespace)
    const grantedBy = callerOf(session)
    return acls.put({ principal, resource, operations, effect, expiresAtMs, grantedBy, note })
  }

  return async ({ entries }, context) => ({
    entries: await Promise.all(
      entries.map(async (wanted) => {
        let id: string | null = null
        const result = await entryResult(async () => {
          id = await createOne(wanted, context)
        }, onProblem)
        return { ...result, id }
      }),
    ),
  })
}
