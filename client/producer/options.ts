/** Options of a producer: what there is, defaults, bounds, and how a wrong one is refused. */

import type { RecordField, RecordHeader } from '../../storage/record/batch-encoder.ts'
import type { CompressionCodecs } from '../../storage/record/compression.ts'
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
}

/** Where an acknowledged record stands. */
export interface RecordPlace {
  readonly topic: string
  readonly partition: number
  /** -1 with acks `none`, where nobody knows. */
  readonly offset: number
  readonly timestampMs: number
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
  /** Default `none`. */
  readonly compression?: 'none' | 'gzip'
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
  readonly compression: 'none' | 'gzip'
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
  const compression = oneOf('compression', options.compression ?? 'none', ['none', 'gzip'])
  if (compression !== 'none' && !codecs[compression])
    throw new RangeError(`option compression: there is no codec for ${compression} here`)
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
  return {
    lingerMs: wholeNumber('lingerMs', options.lingerMs ?? 0, 0, deliveryTimeoutMs),
    batchBytes: Math.min(batchBytes, brokerBatchBytesMax),
    acks: wireAcks[oneOf('acks', options.acks ?? 'all', ['all', 'leader', 'none'])],
    compression,
    bufferBytesMax: wholeNumber(
      'bufferBytesMax',
      options.bufferBytesMax ?? 64 * KIB * KIB,
      2 * batchBytes,
      64 * KIB ** 3,
    ),
    deliveryTimeoutMs,
    maxInFlight: wholeNumber('maxInFlight', options.maxInFlight ?? 5, 1, 1_000),
    partitioner: options.partitioner ?? murmur2Partitioner,
    onDelivery: options.onDelivery,
  }
}
