/** Delete ACLs: each entry succeeds or fails on its own, and is in force no longer when it is answered. */
import type { Policy } from '../../auth/acl/policy.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { AclStore } from '../access/acl-store.ts'
import { visibleEntries, writeRefusal } from './acl-rights.ts'
import type { RequestSession } from './context.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

export function deleteAclsHandler(
  policy: Pick<Policy, 'entry'>,
  acls: Pick<AclStore, 'delete'>,
  onProblem: (error: Error) => void,
): Handler<'deleteAcls'> {
  async function deleteOne(id: string, session: RequestSession): Promise<void> {
    const entry = policy.entry(id)
    const unknown = new ProtocolError(
      ErrorCode.RESOURCE_NOT_FOUND,
      `there is no entry ${JSON.stringify(id)} in the access control list`,
    )
    if (!entry) throw unknown
    const refusal = writeRefusal(session, entry)
    if (refusal) throw visibleEntries(session)(entry) ? refusal : unknown
    const [isGone] = await acls.delete([id])
    if (!isGone) throw unknown
  }

  return async ({ ids }, { session }) => ({
    entries: await Promise.all(
      ids.map(async (id) => ({ id, ...(await entryResult(() => deleteOne(id, session), onProblem)) })),
    ),
  })
}
