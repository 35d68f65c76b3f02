/**
 * What a produce request spends on being allowed, measured by itself: the code of the broker, in this process, with
 * all the rules and with an identity whose right is a group's and a prefix. In a broker it finds caches colder than
 * here; the comparison of two callers on one broker sees that, too.
 */
import { compileAccess } from '../../auth/acl/access.ts'
import { bitOf, type Operation } from '../../auth/acl/operation.ts'
import { Policy } from '../../auth/acl/policy.ts'
import { parseResourcePattern } from '../../auth/acl/resource.ts'
import type { Identity } from '../../auth/identity.ts'
import { Session } from '../../broker/access/session.ts'
import { authorize } from '../../broker/server/authorize.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import type { Topic } from '../../broker/topics/topic-table.ts'
import type { NewAclEntry } from '../../client/index.ts'
import { apis } from '../../client/protocol/api.ts'
import { median } from '../figures/statistics.ts'
import { type Member, producerNameOf } from './population.ts'

export interface CheckCost {
  /** For one produce request with one batch, of a producer with a name. */
  readonly nanoseconds: number
  /** To bring together what one identity may do: once for each connection and change, whomever that is about. */
  readonly compileMicroseconds: number
  /** The same for the first connection after a change about one of its groups, whose rules are put together anew. */
  readonly compileChangedMicroseconds: number
}

const SAMPLES = 9
const WRITE = bitOf('write')

/** @param checks in each sample */
export function measureCheckCost(
  entries: readonly NewAclEntry[],
  member: Member,
  topicName: string,
  checks: number,
): CheckCost {
  const { clock } = systemPorts()
  const policy = policyOf(entries)
  const identity: Identity = {
    principal: { name: member.principal, isAnonymous: false, groups: member.groups, roles: [] },
    method: 'api-key',
    expiresAtMs: undefined,
    credentialId: undefined,
    scope: undefined,
  }
  const session = new Session({ policy, clock, isAnonymousAllowed: false })
  session.authenticated(identity)
  // Of a topic a session looks at nothing but its name.
  const topic = { name: topicName } as Topic
  const producerName = producerNameOf(member)
  const check = () => {
    const isRefused = authorize(session, apis.produce) !== undefined
    const bits = session.bitsOnTopic(topic) & session.bitsOnProducer(producerName)
    return !isRefused && (bits & WRITE) !== 0
  }
  if (!check()) throw new Error(`${member.principal} may not produce to ${topicName} as ${producerName}`)
  const compile = () => compileAccess(policy, identity, clock.nowMs()).isCurrent()
  const compilations = Math.ceil(checks / 100)
  const [rule] = policy.entriesOf(`group:${member.groups[0]}`)
  const change = () => {
    policy.putEntry(rule)
    return compile()
  }
  return {
    nanoseconds: nanosecondsOf(check, checks),
    compileMicroseconds: nanosecondsOf(compile, compilations) / 1e3,
    compileChangedMicroseconds: nanosecondsOf(change, compilations) / 1e3,
  }
}

function nanosecondsOf(run: () => boolean, times: number): number {
  const samples = Array.from({ length: SAMPLES }, () => {
    let right = 0
    const startMs = performance.now()
    for (let i = 0; i < times; i++) if (run()) right++
    const ns = ((performance.now() - startMs) * 1e6) / times
    if (right !== times) throw new Error('a check changed its mind')
    return ns
  })
  // The first ones are compiled meanwhile.
  return median(samples.slice(SAMPLES >> 1))
}

function policyOf(entries: readonly NewAclEntry[]): Policy {
  const policy = new Policy()
  entries.forEach(({ principal, resource, operations, effect = 'allow' }, i) => {
    const pattern = parseResourcePattern(resource)
    if ('problem' in pattern) throw new Error(`${resource} ${pattern.problem}`)
    policy.putEntry({
      id: String(i),
      principal,
      resource: pattern,
      operations: operations as Operation[],
      effect,
      expiresAtMs: null,
      grantedBy: 'user:admin',
      createdAtMs: 0,
      note: null,
    })
  })
  return policy
}
