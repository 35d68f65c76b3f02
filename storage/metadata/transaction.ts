/**
 * A transaction as a caller hands it in, and the check every implementation makes of it on entry.
 * Pure. Nothing that etcd would refuse gets past here, whichever store stands behind.
 */

import { type Compare, metadataLimits, type Operation } from '../metadata-store.ts'
import { StorageError } from '../segment-store.ts'
import { checkKey, quoteKey } from './keys.ts'

/** Within all limits, and the store's own: a later change of the caller's arrays or bytes is not seen. */
export interface Transaction {
  readonly compares: readonly Compare[]
  readonly operations: readonly Operation[]
  /** As counted against `transactionBytesMax`. */
  readonly bytes: number
}

/** Throws StorageError MISUSE that names the first limit or rule broken. */
export function checkTransaction(
  compares: readonly Compare[],
  operations: readonly Operation[],
): Transaction {
  checkCount('compares', compares.length)
  checkCount('operations', operations.length)
  let bytes = (compares.length + operations.length) * metadataLimits.operationOverheadBytes
  for (const compare of compares) bytes += compareBytes(compare)
  const keys = new Set<string>()
  for (const operation of operations) {
    bytes += operationBytes(operation)
    if (keys.has(operation.key)) {
      throw misuse(
        `The key ${quoteKey(operation.key)} is in two operations of one transaction: one is allowed`,
      )
    }
    keys.add(operation.key)
  }
  if (bytes > metadataLimits.transactionBytesMax) {
    throw misuse(
      `The transaction has ${bytes} bytes (keys, values, and ${metadataLimits.operationOverheadBytes} for each ` +
        `compare and operation): at most ${metadataLimits.transactionBytesMax} are allowed`,
    )
  }
  return { compares: compares.map((compare) => ({ ...compare })), operations: operations.map(ownCopy), bytes }
}

function checkCount(what: string, count: number): void {
  const countMax = metadataLimits.operationsPerTransactionMax
  if (count > countMax) throw misuse(`The transaction has ${count} ${what}: at most ${countMax} are allowed`)
}

function compareBytes({ key, modRevision }: Compare): number {
  const bytes = checkKey(key)
  if (!Number.isSafeInteger(modRevision) || modRevision < 0) {
    throw misuse(
      `The compare of ${quoteKey(key)} names revision ${modRevision}: it must be an integer from 0 on`,
    )
  }
  return bytes
}

function operationBytes(operation: Operation): number {
  const keyBytes = checkKey(operation.key)
  if (operation.kind === 'delete') return keyBytes
  const valueBytes = operation.value.length
  if (valueBytes > metadataLimits.valueBytesMax) {
    throw misuse(
      `The value of ${quoteKey(operation.key)} has ${valueBytes} bytes: ` +
        `at most ${metadataLimits.valueBytesMax} are allowed`,
    )
  }
  return keyBytes + valueBytes
}

function ownCopy(operation: Operation): Operation {
  return operation.kind === 'delete'
    ? { ...operation }
    : { ...operation, value: new Uint8Array(operation.value) }
}

function misuse(message: string): StorageError {
  return new StorageError('MISUSE', message)
}
