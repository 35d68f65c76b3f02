/**
 * Create ACLs: each entry succeeds or fails on its own, and is in force when it is answered. What is given on one topic
 * is written only while that is as it was when it was asked whether the caller may: not on one that is going, to be
 * left for the next of its name.
 */

import { isInternalName } from '../../auth/acl/qualified-name.ts'
import { namespaceOfPattern, type ResourcePattern } from '../../auth/acl/resource.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { AclToCreate } from '../../client/protocol/messages/acls.ts'
import type { Compare, MetadataStore } from '../../storage/metadata-store.ts'
import type { AclStore, NewAclEntry } from '../access/acl-store.ts'
import { type NamespaceStore, unknownNamespace } from '../access/namespace-store.ts'
import { decodeTopicRecord, topicKey } from '../topics/topic-record.ts'
import { checkExpiry, checkShowable, invalid, principalOf, rightOf } from './access-words.ts'
import { endOfWritten, writeRefusal } from './acl-rights.ts'
import { callerOf, unknownTopicName } from './authorization.ts'
import type { RequestContext, RequestSession } from './context.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

/** An entry competes only with alterations of its topic. */
const ATTEMPTS_MAX = 10

interface TopicNow {
  readonly isGoing: boolean
  readonly compares: readonly Compare[]
}

export function createAclsHandler(
  acls: Pick<AclStore, 'put'>,
  namespaces: Pick<NamespaceStore, 'get'>,
  metadata: Pick<MetadataStore, 'get'>,
  onProblem: (error: Error) => void,
): Handler<'createAcls'> {
  async function createOne(wanted: AclToCreate, { session, clock }: RequestContext): Promise<string> {
    const { principal, effect, expiresAtMs, note } = wanted
    principalOf(principal)
    if (effect !== 'allow' && effect !== 'deny')
      throw invalid(`effect is ${JSON.stringify(effect)}; it must be "allow" or "deny"`)
    const { operations, resource } = rightOf(wanted.operations, wanted.resource)
    if (resource.type === 'topic' && isInternalName(resource.name))
      throw invalid(
        `${wanted.resource} is about topics of the broker itself, on which rights can be neither given nor taken`,
      )
    if (note !== null) checkShowable('note', note)
    checkExpiry(expiresAtMs, clock.nowMs())
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const topic = await topicOf(resource)
      const id = await putOne(
        { principal, resource, operations, effect, expiresAtMs, grantedBy: callerOf(session), note },
        session,
        topic,
      )
      if (id !== undefined) return id
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `topic ${JSON.stringify(resource.name)} was altered ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }

  async function topicOf({ type, match, name }: ResourcePattern): Promise<TopicNow | undefined> {
    if (type !== 'topic' || match !== 'literal') return undefined
    const key = topicKey(name)
    const entry = await metadata.get(key)
    const isGoing = entry !== undefined && decodeTopicRecord(entry).state === 'deleting'
    return { isGoing, compares: [{ key, modRevision: entry?.modRevision ?? 0 }] }
  }

  async function putOne(
    entry: NewAclEntry,
    session: RequestSession,
    topic: TopicNow | undefined,
  ): Promise<string | undefined> {
    const { resource } = entry
    const refusal = writeRefusal(session, entry)
    if (refusal) throw refusal
    // Nothing is left for whoever has the name of a namespace next. In this very turn: one that goes waits for it.
    const namespace = namespaceOfPattern(resource)
    if (namespace !== undefined && !namespaces.get(namespace)) throw unknownNamespace(namespace)
    if (topic?.isGoing) throw unknownTopicName(resource.name)
    const expiresAtMs = endOfWritten(session.access, entry)
    return acls.put({ ...entry, expiresAtMs }, topic?.compares ?? [], {
      isByAdministrator: session.access.isAdministrator,
      // Who cannot give for as long as he wants takes nothing away by it.
      isLongerKept: expiresAtMs !== entry.expiresAtMs,
    })
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
