/**
 * Which rule decides, for people. Of several that would, the one that is most about the resource: its own name
 * before a prefix, a longer prefix before a shorter, then the older.
 */
import type { AclEntry } from './entry.ts'
import { allowedBy, bitOf, bitsOf, deniedBy, type Operation } from './operation.ts'
import { namespaceOf } from './qualified-name.ts'
import { formatResourcePattern, matchesName, type ResourceType } from './resource.ts'

export interface Decision {
  readonly allowed: boolean
  /** `none`: no rule is about it, which denies it. */
  readonly rule: 'administrator' | 'owner' | 'allow' | 'deny' | 'scope' | 'none'
  /** The entry that decides, where one does. */
  readonly entry: AclEntry | undefined
  readonly sentence: string
}

export interface Asked {
  /** Who it is about, in text form. */
  readonly subject: string
  readonly operation: Operation
  readonly type: ResourceType
  readonly name: string
}

export interface Question extends Asked {
  /** Why the subject is an administrator. */
  readonly administration: string | undefined
  /** As whom the subject owns the namespace. */
  readonly ownedAs: string | undefined
  /** Those about the subject that are in force. */
  readonly entries: readonly AclEntry[]
  readonly isInScope: boolean
  /** It is about a topic of the broker itself, and nothing that the subject may do there. */
  readonly isBrokersOwn: boolean
}

export function explainDecision(question: Question): Decision {
  const decision = decide(question)
  if (!decision.allowed || question.isInScope) return decision
  return told(question, false, 'scope', undefined, 'the scope of the credential does not contain it')
}

function decide(question: Question): Decision {
  const { administration, ownedAs, type, name, isBrokersOwn } = question
  if (isBrokersOwn && administration !== undefined)
    return told(question, false, 'none', undefined, 'it is a topic of the broker itself, to be seen and read')
  if (isBrokersOwn) return withoutRule(question)
  if (administration !== undefined) return told(question, true, 'administrator', undefined, administration)
  const denying = decidingEntry(question, 'deny')
  if (denying) return told(question, false, 'deny', denying, sentenceOf(denying))
  if (ownedAs !== undefined) {
    const namespace = type === 'namespace' ? name : namespaceOf(name)
    return told(question, true, 'owner', undefined, `${ownedAs} owns namespace:${namespace}`)
  }
  const allowing = decidingEntry(question, 'allow')
  if (allowing) return told(question, true, 'allow', allowing, sentenceOf(allowing))
  return withoutRule(question)
}

/** What is decided where no rule is about it. */
export function withoutRule(asked: Asked): Decision {
  return told(asked, false, 'none', undefined, 'no rule allows it')
}

function decidingEntry(
  { entries, operation, type, name }: Question,
  effect: AclEntry['effect'],
): AclEntry | undefined {
  const closure = effect === 'allow' ? allowedBy : deniedBy
  let best: AclEntry | undefined
  for (const entry of entries) {
    if (entry.effect !== effect || !matchesName(entry.resource, type, name)) continue
    if ((closure(bitsOf(entry.operations)) & bitOf(operation)) === 0) continue
    if (!best || isCloser(entry, best)) best = entry
  }
  return best
}

function isCloser(entry: AclEntry, other: AclEntry): boolean {
  const [one, two] = [closeness(entry), closeness(other)]
  if (one !== two) return one > two
  if (entry.createdAtMs !== other.createdAtMs) return entry.createdAtMs < other.createdAtMs
  return entry.id < other.id
}

function closeness({ resource: { match, name } }: AclEntry): number {
  return match === 'literal' ? Number.POSITIVE_INFINITY : name.length
}

function sentenceOf({ id, principal, effect, operations, resource, grantedBy }: AclEntry): string {
  const verb = effect === 'allow' ? 'allows' : 'denies'
  return `entry ${id} by ${grantedBy} ${verb} ${principal} ${operations.join(', ')} on ${formatResourcePattern(resource)}`
}

function told(
  { subject, operation, type, name }: Asked,
  allowed: boolean,
  rule: Decision['rule'],
  entry: AclEntry | undefined,
  because: string,
): Decision {
  const resource = formatResourcePattern({ type, name, match: 'literal' })
  const sentence = `${subject} may ${allowed ? '' : 'not '}${operation} ${resource}: ${because}.`
  return { allowed, rule, entry, sentence }
}
