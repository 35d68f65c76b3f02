/**
 * May this session make this request at all? The one question every dispatch asks before anything of a request is
 * read, and the one place where it is answered; what the request names is asked about by its handler, entry by entry.
 */
import type { AnyApi } from '../../client/protocol/api.ts'
import { apis } from '../../client/protocol/api.ts'
import type { ProtocolError } from '../../client/protocol/errors.ts'
import { type ApiRule, apiAccess } from '../access/api-access.ts'
import { notAuthorized } from '../handlers/authorization.ts'
import type { RequestSession } from '../handlers/context.ts'
import type { ApiName } from '../handlers/handlers.ts'

/** Undefined: it may. Otherwise what the caller is answered; the handler does not run. */
export type Authorize = (session: RequestSession, api: AnyApi) => ProtocolError | undefined

const ruleByKey: ReadonlyMap<number, ApiRule> = new Map(
  Object.entries(apiAccess).map(([name, rule]) => [apis[name as ApiName].key, rule]),
)

export const authorize: Authorize = (session, api) => {
  const rule = ruleByKey.get(api.key)
  if (rule === 'open') return undefined
  const refusal = session.refusal()
  if (refusal || rule === 'session') return refusal
  // What the table does not know is for nobody; a test says that there is no such API.
  if (rule && session.allows(rule.cluster, 'cluster', '')) return undefined
  return notAuthorized(session, rule?.cluster ?? 'alter', 'cluster', '')
}
