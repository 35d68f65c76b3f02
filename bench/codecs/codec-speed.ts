/**
 * Each codec by itself, on one core, without a broker: how fast it packs and unpacks the records of batches of every size, and
 * how small they get. Batches are cut from all events in turn, so that none is packed twice while it is still in the processor's
 * cache. Rounds go through all codecs and sizes, so that a machine that slows down slows down all of them.
 */
import { BATCH_HEADER_BYTES } from '../../storage/record/batch-header.ts'
import type { CompressionName } from '../../storage/record/compression.ts'
import { nativeCrc32c } from '../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../storage/record/node/node-codecs.ts'
import type { Progress } from '../display/progress.ts'
import { batchesOf, type EventBatch } from '../events/batches.ts'

export interface CodecChoice {
  readonly codec: CompressionName
  /** Undefined: the codec has none. */
  readonly level?: number
}

/** What there is, from the least effort to much. */
export const codecChoices: readonly CodecChoice[] = [
  { codec: 'gzip', level: 1 },
  { codec: 'gzip', level: 6 },
  { codec: 'snappy' },
  { codec: 'lz4' },
  { codec: 'zstd', level: 1 },
  { codec: 'zstd', level: 3 },
  { codec: 'zstd', level: 9 },
]

export const nameOf = ({ codec, level }: CodecChoice) => (level === undefined ? codec : `${codec}-${level}`)

export interface CodecSpeedOptions {
  readonly rounds: number
  /** For packing and as much for unpacking, of each codec and size in each round. */
  readonly sampleMs: number
  readonly batchBytes: readonly number[]
}

export interface CodecSpeed {
  readonly choice: CodecChoice
  readonly batchBytes: number
  /** Events and bytes of one batch, on average; bytes before and after. */
  readonly eventsPerBatch: number
  readonly plainBytes: number
  readonly packedBytes: number
  /** One for each round, in 10^6 bytes of records before packing. */
  readonly compressMegabytesPerSecond: readonly number[]
  readonly decompressMegabytesPerSecond: readonly number[]
}

export function measureCodecSpeeds(
  values: readonly Uint8Array[],
  { rounds, sampleMs, batchBytes }: CodecSpeedOptions,
  progress: Progress,
): CodecSpeed[] {
  const cells = batchBytes.flatMap((bytes) => {
    const batches = batchesOf(values, { crc32c: nativeCrc32c, batchBytes: bytes })
    return codecChoices.map((choice) => cellOf(batches, choice, bytes))
  })
  for (let round = 0; round <= rounds; round++) {
    progress.step(round === 0 ? 'codecs: warming up' : `codecs: round ${round} of ${rounds}`)
    for (const cell of cells) {
      progress.detail(`${nameOf(cell.choice)}, ${cell.batchBytes} bytes`)
      const compressed = megabytesPerSecond(cell.plain, cell.plain, cell.compress, sampleMs)
      const decompressed = megabytesPerSecond(cell.packed, cell.plain, cell.decompress, sampleMs)
      // The first round has V8 compile what is called.
      if (round === 0) continue
      cell.compressMegabytesPerSecond.push(compressed)
      cell.decompressMegabytesPerSecond.push(decompressed)
    }
  }
  return cells.map(({ plain, packed, events, ...cell }) => ({
    choice: cell.choice,
    batchBytes: cell.batchBytes,
    eventsPerBatch: events / plain.length,
    plainBytes: total(plain) / plain.length,
    packedBytes: total(packed) / packed.length,
    compressMegabytesPerSecond: cell.compressMegabytesPerSecond,
    decompressMegabytesPerSecond: cell.decompressMegabytesPerSecond,
  }))
}

/** Throws when what was packed does not come back. */
function cellOf(batches: readonly EventBatch[], choice: CodecChoice, batchBytes: number) {
  const codec = nodeCodecs[choice.codec]
  if (codec === undefined) throw new Error(`there is no codec for ${choice.codec}`)
  const plain = batches.map(({ bytes }) => bytes.subarray(BATCH_HEADER_BYTES))
  const compress = (bytes: Uint8Array) => codec.compress(bytes, choice.level)
  // The bound a broker has, far above: not one that fits each batch.
  const decompress = (bytes: Uint8Array) => codec.decompress(bytes, UNPACKED_BYTES_MAX)
  const packed = plain.map(compress)
  for (const [i, bytes] of packed.entries())
    if (!Buffer.from(decompress(bytes)).equals(plain[i]))
      throw new Error(`${nameOf(choice)}: batch ${i} of ${batchBytes} bytes does not come back as it was`)
  return {
    choice,
    batchBytes,
    plain,
    packed,
    events: batches.reduce((sum, { events }) => sum + events, 0),
    compress,
    decompress,
    compressMegabytesPerSecond: [] as number[],
    decompressMegabytesPerSecond: [] as number[],
  }
}

const UNPACKED_BYTES_MAX = 64 * 1024 * 1024

/** Of `counted` while `given` are gone through, again and again. */
function megabytesPerSecond(
  given: readonly Uint8Array[],
  counted: readonly Uint8Array[],
  run: (bytes: Uint8Array) => Uint8Array,
  sampleMs: number,
): number {
  let bytes = 0
  const startMs = performance.now()
  let elapsedMs = 0
  let i = 0
  do {
    run(given[i])
    bytes += counted[i].length
    i = (i + 1) % given.length
    elapsedMs = performance.now() - startMs
  } while (elapsedMs < sampleMs)
  return bytes / 1e3 / elapsedMs
}

function total(arrays: readonly Uint8Array[]): number {
  return arrays.reduce((sum, { length }) => sum + length, 0)
}
