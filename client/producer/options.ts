/** Options of a producer: what there is, defaults, bounds, and how a wrong one is refused. */

import type { RecordField, RecordHeader } from '../../storage/record/batch-encoder.ts'
import {
  type CompressionCodecs,
  CompressionError,
  type CompressionName,
  compressionNames,
  levelProblem,
} from '../../storage/record/compression.ts'
import { oneOf, TIMEOUT_MS_MAX, wholeNumber } from '../options.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import type { Serializer } from '../serializers.ts'
import { murmur2Partitioner, type Partitioner } from './partitioner.ts'

/** One event to be sent. Bytes are copied before the call that takes it returns. */
export interface ProducerRecord<V = RecordField> {
  /** Records with the same key go to the same partition, in order. Default: none. */
  readonly key?: RecordField
  /** What a serializer takes; without one: bytes, text (UTF-8), or null for "deleted". */
  readonly value: V
  readonly headers?: readonly RecordHeader[]
  /** ms since 1970. Default: now. */
  readonly timestampMs?: number
  /** Default: what the partitioner says. */
  readonly partition?: number
  /**
   * Number of the record in its partition, from 0; only of a producer with a name, and only with a partition or a
   * key (or one partition), so that the same record always has the same number. One that the partition holds is
   * not stored again; one that leaves a gap is refused.
   */
  readonly sequence?: number
}

/** Where an acknowledged record stands. */
export interface RecordPlace {
  readonly topic: string
  readonly partition: number
  /** -1 where nobody knows: with acks `none`, and of some duplicates. */
  readonly offset: number
  /** The broker’s time where the topic takes that, else the record’s own; -1 where nobody knows. */
  readonly timestampMs: number
  /** The record was given before, by its `sequence`, and was not stored again. */
  readonly isDuplicate?: true
}

/** What became of one batch. */
export interface Delivery {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record; -1 with an error and with acks `none`. */
  readonly baseOffset: number
  readonly count: number
  readonly error?: ProtocolError
}

/** What became of everything that was taken since the last flush. */
export interface FlushResult {
  readonly acknowledged: number
  /** So many of the acknowledged were stored before; see the `sequence` of a record. Not there: none. */
  readonly duplicates?: number
  readonly failed: number
  /** The first failure. */
  readonly error?: Error
}

export interface ProducerOptions<V = RecordField> {
  /** How long a batch waits for more records. 0, the default: until the end of the turn. */
  readonly lingerMs?: number
  /** Size of a full batch. The default, 65,400, fills one value of the broker's storage. */
  readonly batchBytes?: number
  /**
   * `all`, the default: durable on all in-sync replicas; `leader`: durable on the leader; `none`: received,
   * which a crash of the broker undoes.
   */
  readonly acks?: 'all' | 'leader' | 'none'
  /**
   * Every record is stored once, also when acknowledgements are lost, and always in order. The default with acks
   * `all`; not to be had with others, nor with a `maxInFlight` above 5.
   */
  readonly idempotence?: boolean
  /**
   * A name that stays when the program starts again, in the characters of topic names. The broker then counts the
   * records of this name in every partition, so that an agent goes on where its last life ended: see
   * `nextSequence`. Of several producers with the same name only the newest may send.
   */
  readonly producerName?: string
  /** How the records of a batch are packed together: `gzip`, `snappy`, `lz4` or `zstd`. Default `none`. */
  readonly compression?: CompressionName
  /**
   * More packs smaller and takes longer. `gzip` has 1 to 9, by default 6; `zstd` -131,072 to 22, by default 3; the
   * others have none.
   */
  readonly compressionLevel?: number
  /** Bound on the memory of batches that are not acknowledged. Default 64 MiB. */
  readonly bufferBytesMax?: number
  /**
   * A batch that is not acknowledged so long after its first record has failed. Records that join it while it
   * waits for a lost connection have an eighth less. Default 120,000.
   */
  readonly deliveryTimeoutMs?: number
  /** Batches of one partition that may be unacknowledged at a time. Default 5. */
  readonly maxInFlight?: number
  /** Chooses the partition of a record that names none. Default: Kafka's murmur2 of the key. */
  readonly partitioner?: Partitioner
  /** How values become bytes; see `serializers`. */
  readonly serializer?: Pick<Serializer<V>, 'serialize'>
  /** Told once what became of each batch. An error thrown here becomes an uncaught exception. */
  readonly onDelivery?: (delivery: Delivery) => void
}

export interface ProducerSettings {
  readonly lingerMs: number
  readonly batchBytes: number
  /** As on the wire. */
  readonly acks: -1 | 0 | 1
  readonly isIdempotent: boolean
  readonly producerName: string | undefined
  readonly compression: CompressionName
  /** Undefined: that of the codec. */
  readonly compressionLevel: number | undefined
  readonly bufferBytesMax: number
  readonly deliveryTimeoutMs: number
  readonly maxInFlight: number
  readonly partitioner: Partitioner
  readonly onDelivery: ((delivery: Delivery) => void) | undefined
}

const KIB = 1024
export const BATCH_BYTES_DEFAULT = 65_400

const wireAcks = { all: -1, leader: 1, none: 0 } as const

/** `brokerBatchBytesMax` is the largest batch the broker takes: a larger `batchBytes` is taken as this. */
export function producerSettings(
  options: Omit<ProducerOptions<never>, 'serializer'>,
  codecs: CompressionCodecs,
  brokerBatchBytesMax: number,
): ProducerSettings {
  const compression = oneOf('compression', options.compression ?? 'none', compressionNames)
  checkCompression(compression, options.compressionLevel, codecs)
  const batchBytes = wholeNumber(
    'batchBytes',
    options.batchBytes ?? BATCH_BYTES_DEFAULT,
    KIB,
    KIB * KIB * KIB,
  )
  const deliveryTimeoutMs = wholeNumber(
    'deliveryTimeoutMs',
    options.deliveryTimeoutMs ?? 120_000,
    1,
    TIMEOUT_MS_MAX,
  )
  const acks = oneOf('acks', options.acks ?? 'all', ['all', 'leader', 'none'])
  const maxInFlight = wholeNumber('maxInFlight', options.maxInFlight ?? 5, 1, 1_000)
  return {
    lingerMs: wholeNumber('lingerMs', options.lingerMs ?? 0, 0, deliveryTimeoutMs),
    batchBytes: Math.min(batchBytes, brokerBatchBytesMax),
    acks: wireAcks[acks],
    isIdempotent: isIdempotent(options, acks, maxInFlight),
    producerName: options.producerName,
    compression,
    compressionLevel: options.compressionLevel,
    bufferBytesMax: wholeNumber(
      'bufferBytesMax',
      options.bufferBytesMax ?? 64 * KIB * KIB,
      2 * batchBytes,
      64 * KIB ** 3,
    ),
    deliveryTimeoutMs,
    maxInFlight,
    partitioner: options.partitioner ?? murmur2Partitioner,
    onDelivery: options.onDelivery,
  }
}

/** Also loads the codec, so that the first batch does not wait for that, and whoever can choose another one knows now. */
function checkCompression(
  compression: CompressionName,
  level: number | undefined,
  codecs: CompressionCodecs,
): void {
  const codec = codecs[compression]
  if (compression !== 'none' && !codec)
    throw new RangeError(`option compression: there is no codec for ${compression} here`)
  const problem = level === undefined ? undefined : levelProblem(compression, level)
  if (problem !== undefined) throw new RangeError(`option compressionLevel: ${problem}`)
  try {
    codec?.prepare?.()
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause
    throw new RangeError(`option compression: ${cause.message}`, { cause })
  }
}

/** Batches of a producer that a partition remembers: more in flight could not be told from new ones. */
const SEQUENCED_IN_FLIGHT_MAX = 5
/** What topic names are made of. */
const legalName = /^[A-Za-z0-9._-]{1,249}$/

/** Who asks for less than durable acknowledgements asks for no more; everything else that does not fit is refused. */
function isIdempotent(
  { idempotence, producerName }: Omit<ProducerOptions<never>, 'serializer'>,
  acks: 'all' | 'leader' | 'none',
  maxInFlight: number,
): boolean {
  if (producerName !== undefined && !legalName.test(producerName))
    throw new RangeError(
      `option producerName: expected 1 to 249 of the characters a-z, A-Z, 0-9, ".", "_" and "-", got ${JSON.stringify(producerName)}`,
    )
  if (idempotence === false) {
    if (producerName === undefined) return false
    throw new RangeError('option producerName: the producer must be idempotent, leave out idempotence: false')
  }
  if (acks !== 'all') {
    if (!idempotence && producerName === undefined) return false
    const option = producerName === undefined ? 'idempotence' : 'producerName'
    throw new RangeError(`option ${option}: needs acks 'all', got '${acks}'`)
  }
  if (maxInFlight > SEQUENCED_IN_FLIGHT_MAX)
    throw new RangeError(
      `option maxInFlight: an idempotent producer has at most ${SEQUENCED_IN_FLIGHT_MAX} batches of a partition in flight, got ${maxInFlight}; more need idempotence: false`,
    )
  return true
}
