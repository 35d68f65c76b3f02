/**
 * Holding patterns against batches, and packing what a filter has left of one, as tasks of the codec pool.
 */
import { BATCH_HEADER_BYTES } from '../../storage/record/batch-header.ts'
import { packBatch, type RecordTools } from '../../storage/record/batch-rebuild.ts'
import type { CompressionName } from '../../storage/record/compression.ts'
import type { BatchesResult } from '../codec-pool/codec-task.ts'
import { owned } from '../codec-pool/owned-bytes.ts'
import { type BatchMatches, type MatchLimits, matchBatches } from './batch-matches.ts'
import { CompiledSets } from './compiled-sets.ts'
import type { SharedPatterns } from './shared-patterns.ts'

export interface MatchTask {
  readonly kind: 'match'
  /** Whole stored batches with good checksums up to `end`; behind it anything. */
  readonly bytes: Uint8Array
  readonly end: number
  readonly patterns: SharedPatterns
  readonly limits: MatchLimits
}

/** The task's bytes come back, unchanged. */
export interface MatchResult extends BatchMatches {
  readonly bytes: Uint8Array
}

/** One uncompressed batch, of which there need not be all records, into a compression if that makes it smaller. */
export interface PackTask {
  readonly kind: 'pack'
  readonly bytes: Uint8Array
  readonly compression: CompressionName
}

/** What was compiled goes with the tools of its thread: it changes what a task costs, never what it gives. */
const compiled = new WeakMap<RecordTools, CompiledSets>()

export function performMatch({ bytes, end, patterns, limits }: MatchTask, tools: RecordTools): MatchResult {
  let sets = compiled.get(tools)
  if (!sets) {
    sets = new CompiledSets()
    compiled.set(tools, sets)
  }
  return { ...matchBatches(bytes.subarray(0, end), sets.of(patterns), tools, limits), bytes }
}

export function performPack({ bytes, compression }: PackTask, tools: RecordTools): BatchesResult {
  const packed = packBatch(bytes, 0, bytes.subarray(BATCH_HEADER_BYTES), compression, undefined, tools)
  return packed instanceof Uint8Array ? { bytes: owned(packed) } : { problem: packed }
}

/** What of a result has a buffer. */
export function bytesOfMatch({ bytes, table, sections }: MatchResult): readonly Uint8Array[] {
  return [bytes, new Uint8Array(table.buffer), sections]
}
