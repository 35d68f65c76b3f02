/**
 * The codecs that Node has, for entry points and worker threads to hand to whoever packs and unpacks batches.
 * What a codec needs is loaded when it is first used.
 */
import type { CompressionCodecs } from '../compression.ts'
import { gzip } from './gzip.ts'

export const nodeCodecs: CompressionCodecs = { gzip }
