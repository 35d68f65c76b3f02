/**
 * The work that costs CPU for each record, as tasks: what goes in, what comes out, how it is done. Pure, and the same on the
 * event loop and on a worker: a task is nothing but numbers, texts and bytes.
 *
 * A task owns the buffers of its bytes, which are nowhere else (`owned-bytes.ts`), and they may be changed; so does its result. Bad
 * input is a result with a problem, never an error: what throws here is a bug, or memory that is not to be had.
 */
import { batchBytesAt } from '../../storage/record/batch-header.ts'
import {
  checkPackedBatch,
  type RebuildOptions,
  type RecordTools,
  rebuildBatch,
  stampAppendTime,
  type UnpackLimits,
  unpackBatch,
} from '../../storage/record/batch-rebuild.ts'
import type { BatchProblem } from '../../storage/record/record-error.ts'
import { type BatchLimits, checkProducedBatch } from '../../storage/record/validate.ts'
import {
  bytesOfMatch,
  type MatchResult,
  type MatchTask,
  type PackTask,
  performMatch,
  performPack,
} from '../filters/match-task.ts'
import { concatenated } from './owned-bytes.ts'

export type CodecTools = RecordTools

/** The batches of one entry of a produce request, from outside to inside, as `checkProducedBatch` and `checkPackedBatch` do. */
export interface CheckTask {
  readonly kind: 'check'
  /** Whole batches and nothing else; the limits are for each. */
  readonly bytes: Uint8Array
  readonly limits: BatchLimits & UnpackLimits
  /** Ms since 1970; given, the batches get this append time. */
  readonly appendTimeMs?: number | undefined
}

/** Checks likewise and puts all of them into one compression. */
export interface RebuildTask {
  readonly kind: 'rebuild'
  readonly bytes: Uint8Array
  readonly options: RebuildOptions
  readonly appendTimeMs?: number | undefined
}

/** Stored batches, uncompressed. */
export interface UnpackTask {
  readonly kind: 'unpack'
  readonly bytes: Uint8Array
  readonly limits: UnpackLimits
}

/** Batches one after the other, or what is wrong with the first that breaks a rule. */
export type BatchesResult =
  | { readonly bytes: Uint8Array; readonly problem?: undefined }
  | { readonly problem: BatchProblem; readonly bytes?: undefined }

/** Every kind: its task, its result. */
interface CodecTaskKinds {
  check: { task: CheckTask; result: BatchesResult }
  rebuild: { task: RebuildTask; result: BatchesResult }
  unpack: { task: UnpackTask; result: BatchesResult }
  pack: { task: PackTask; result: BatchesResult }
  match: { task: MatchTask; result: MatchResult }
}

export type CodecTaskKind = keyof CodecTaskKinds
export type CodecTask = CodecTaskKinds[CodecTaskKind]['task']
export type ResultOf<T extends CodecTask> = CodecTaskKinds[T['kind']]['result']

interface Kind<K extends CodecTaskKind> {
  /** Producers wait for an answer while they hold the room of the broker; readers can ask again. */
  readonly urgency: 'produce' | 'read'
  perform(task: CodecTaskKinds[K]['task'], tools: CodecTools): CodecTaskKinds[K]['result']
  /** What of a result has a buffer. */
  bytesOf(result: CodecTaskKinds[K]['result']): readonly Uint8Array[]
}

const kinds: { readonly [K in CodecTaskKind]: Kind<K> } = {
  check: { urgency: 'produce', perform: check, bytesOf },
  rebuild: { urgency: 'produce', perform: rebuild, bytesOf },
  unpack: { urgency: 'read', perform: unpack, bytesOf },
  pack: { urgency: 'read', perform: performPack, bytesOf },
  match: { urgency: 'read', perform: performMatch, bytesOf: bytesOfMatch },
}

export const codecTaskKinds = Object.keys(kinds) as readonly CodecTaskKind[]

export function performCodecTask<T extends CodecTask>(task: T, tools: CodecTools): ResultOf<T> {
  return (kinds[task.kind] as unknown as { perform(task: T, tools: CodecTools): ResultOf<T> }).perform(
    task,
    tools,
  )
}

/** The bytes of a result that go with it to another thread. */
export function bytesOfResult<T extends CodecTask>(
  kind: CodecTaskKind,
  result: ResultOf<T>,
): readonly Uint8Array[] {
  return (kinds[kind] as unknown as Kind<'check'>).bytesOf(result)
}

export function urgencyOf(kind: CodecTaskKind): 'produce' | 'read' {
  return kinds[kind].urgency
}

function check({ bytes, limits, appendTimeMs }: CheckTask, { crc32c, codecs }: CodecTools): BatchesResult {
  for (let at = 0; at < bytes.length; at += batchBytesAt(bytes, at)) {
    const problem =
      checkProducedBatch(bytes, at, bytes.length, crc32c, limits) ??
      checkPackedBatch(bytes, at, codecs, limits)
    if (problem !== undefined) return { problem }
    if (appendTimeMs !== undefined) stampAppendTime(bytes, at, appendTimeMs, crc32c)
  }
  return { bytes }
}

function rebuild({ bytes, options, appendTimeMs }: RebuildTask, tools: CodecTools): BatchesResult {
  const { crc32c } = tools
  const rebuilt: Uint8Array[] = []
  for (let at = 0, next = 0; at < bytes.length; at = next) {
    const problem = checkProducedBatch(bytes, at, bytes.length, crc32c, options)
    if (problem !== undefined) return { problem }
    // Known before it is overwritten.
    next = at + batchBytesAt(bytes, at)
    const batch = rebuildBatch(bytes, at, tools, options)
    if (!(batch instanceof Uint8Array)) return { problem: batch }
    if (appendTimeMs !== undefined) stampAppendTime(batch, 0, appendTimeMs, crc32c)
    rebuilt.push(batch)
  }
  return { bytes: concatenated(rebuilt) }
}

function unpack({ bytes, limits }: UnpackTask, tools: CodecTools): BatchesResult {
  const unpacked: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += batchBytesAt(bytes, at)) {
    const batch = unpackBatch(bytes, at, tools, limits)
    if (!(batch instanceof Uint8Array)) return { problem: batch }
    unpacked.push(batch)
  }
  return { bytes: concatenated(unpacked) }
}

function bytesOf({ bytes }: BatchesResult): readonly Uint8Array[] {
  return bytes === undefined ? [] : [bytes]
}
