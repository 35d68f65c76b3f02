/**
 * What can be done to a resource, as words and as bits. Sets of operations are numbers, so that the right to
 * do one thing to a topic is one `&` on the way of an event.
 *
 * Whoever may do anything to a resource may also see it: an **allowed** operation brings describe along. Nobody may
 * use what he may not see: a **denied** describe denies all the others.
 */

export const operations = ['describe', 'read', 'write', 'create', 'alter', 'delete', 'grant'] as const
export type Operation = (typeof operations)[number]

/** A set of operations: one bit each, in the order of {@link operations}. */
export type OperationBits = number

export const NO_OPERATIONS: OperationBits = 0
export const ALL_OPERATIONS: OperationBits = 2 ** operations.length - 1

const bitByName = Object.fromEntries(operations.map((name, i) => [name, 1 << i])) as Readonly<
  Record<Operation, OperationBits>
>

export function isOperation(text: string): text is Operation {
  return (operations as readonly string[]).includes(text)
}

export function bitOf(operation: Operation): OperationBits {
  return bitByName[operation]
}

export function bitsOf(set: readonly Operation[]): OperationBits {
  let bits = NO_OPERATIONS
  for (const operation of set) bits |= bitByName[operation]
  return bits
}

/** In the order of {@link operations}. */
export function operationsIn(bits: OperationBits): Operation[] {
  return operations.filter((operation) => bits & bitByName[operation])
}

/** All that is allowed when these are. */
export function allowedBy(bits: OperationBits): OperationBits {
  return bits === NO_OPERATIONS ? bits : bits | bitByName.describe
}

/** All that is denied when these are. */
export function deniedBy(bits: OperationBits): OperationBits {
  return bits & bitByName.describe ? ALL_OPERATIONS : bits
}
