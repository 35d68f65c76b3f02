/**
 * Explain access: may somebody, and which rule decides. About himself everyone may ask; about others who may describe
 * the cluster, or grant on what is asked about: it is his to know who may use it. Whom the configuration names an
 * administrator is told only to who may describe the cluster; others are told what the rules say, and that it is all.
 */
import { type Access, compileAccess } from '../../auth/acl/access.ts'
import { isOperation } from '../../auth/acl/operation.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import type { ResourcePattern } from '../../auth/acl/resource.ts'
import { anonymousIdentity } from '../../auth/identity.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { ExplainAccessRequest } from '../../client/protocol/messages/acls.ts'
import { checkIds, invalid, principalOf, resourceOf } from './access-words.ts'
import { callerOf } from './authorization.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'

const NOBODY: ReadonlySet<string> = new Set()
const RULES_ONLY = ' Whom the configuration names an administrator is not told.'

export function explainAccessHandler(policy: Policy): Handler<'explainAccess'> {
  function accessOf(
    { principal, groups, roles }: ExplainAccessRequest,
    session: RequestSession,
    resource: ResourcePattern,
    nowMs: number,
  ): Access {
    const isBare = groups.length === 0 && roles.length === 0
    if (principal === null || (principal === callerOf(session) && isBare)) return session.access
    const { kind, id } = principalOf(principal)
    if (kind !== 'user' && kind !== 'anonymous')
      throw invalid(
        `${JSON.stringify(principal)} does nothing; ask about user:ID, as a member of groups, or anonymous`,
      )
    checkIds('group', groups)
    checkIds('role', roles)
    const { access } = session
    if (!mayAskOfOthers(access, resource))
      throw new ProtocolError(
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        `${callerOf(session)} may ask about others only on what he may grant`,
      )
    if (kind === 'anonymous') return compileAccess(policy, anonymousIdentity, nowMs)
    const asked = { name: id, isAnonymous: false, groups, roles }
    // As with a credential of ours: only there the role of administrators counts.
    const identity = { principal: asked, method: 'api-key', scope: undefined } as const
    return mayKnowAdministrators(session)
      ? compileAccess(policy, identity, nowMs)
      : compileAccess(policy, identity, nowMs, NOBODY)
  }

  return async (request, { session, clock }) => {
    const { operation } = request
    if (!isOperation(operation)) throw invalid(`${JSON.stringify(operation)} is no operation`)
    const resource = resourceOf(request.resource)
    if (resource.match === 'prefix')
      throw invalid(`resource ${JSON.stringify(request.resource)} is many; ask about one, without *`)
    const access = accessOf(request, session, resource, clock.nowMs())
    const { type, name } = resource
    const decision = access.explain(operation, type, name)
    // As with what does not exist, where no rule is about it.
    const isHidden = decision.rule === 'deny' && !mayKnowRules(session, resource)
    const { allowed, rule, entry, sentence } = isHidden
      ? access.explainHidden(operation, type, name)
      : decision
    const isRulesOnly = access !== session.access && !mayKnowAdministrators(session)
    return {
      allowed,
      rule,
      entryId: entry?.id ?? null,
      sentence: isRulesOnly ? sentence + RULES_ONLY : sentence,
    }
  }
}

function mayKnowAdministrators({ access }: RequestSession): boolean {
  return access.allows('describe', 'cluster', '')
}

function mayAskOfOthers(access: Access, resource: ResourcePattern): boolean {
  return access.allows('describe', 'cluster', '') || access.allowsPattern('grant', resource)
}

/** Which rule keeps one from something is told of what one may see, or has oneself. */
function mayKnowRules({ access }: RequestSession, resource: ResourcePattern): boolean {
  const { type, name } = resource
  return (
    access.allows('describe', type, name) || access.ownsPattern(resource) || mayAskOfOthers(access, resource)
  )
}
