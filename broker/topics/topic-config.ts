/**
 * What can be set on a topic: Kafka's names and defaults where the meaning is Kafka's. A topic stores
 * only what differs from the default. Settings of Kafka that have one possible value here are listed too,
 * so that tools which always send them work and any other value is refused by name.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { type CompressionName, compressionLevels, levelProblem } from '../../storage/record/compression.ts'

/** The settings of one topic as numbers. */
export interface TopicConfig {
  /** -1: keep for ever. */
  readonly retentionMs: number
  /** Per partition; -1: no bound. */
  readonly retentionBytes: number
  readonly maxMessageBytes: number
  /** How far a record's timestamp may lie before the broker's clock. */
  readonly timestampBeforeMaxMs: number
  /** How far a record's timestamp may lie after the broker's clock. */
  readonly timestampAfterMaxMs: number
  /** Whose time records have: that of their producer, or the broker's when it takes them. */
  readonly timestampType: 'create' | 'append'
  /** How batches are stored; `producer`: as they come. */
  readonly compression: 'producer' | CompressionName
  /** Of what the broker compresses; undefined: the default of the codec, or it has none. */
  readonly compressionLevel: number | undefined
}

/** Configs as a topic stores them: name to value, both text, defaults left out. */
export type TopicConfigValues = Readonly<Record<string, string>>

export interface DescribedTopicConfig {
  readonly name: string
  readonly value: string
  readonly isDefault: boolean
  readonly sentence: string
}

/** No topic takes larger record batches: the limits of frames, segments and buffers rest on it. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024
/** A batch of one empty record. */
const BATCH_BYTES_MIN = 68
/** Java's Long.MAX_VALUE, Kafka's way to say "no bound". */
const NO_BOUND = '9223372036854775807'

interface Definition {
  readonly fallback: string
  readonly sentence: string
  /** What is allowed, as text for a refusal. */
  readonly allowed: string
  accepts(value: string): boolean
}

function wholeNumber(minimum: number, maximum: string, fallback: string, sentence: string): Definition {
  return {
    fallback,
    sentence,
    allowed: `a whole number from ${minimum} to ${maximum}`,
    accepts: (value) =>
      /^-?\d{1,19}$/.test(value) && BigInt(value) >= BigInt(minimum) && BigInt(value) <= BigInt(maximum),
  }
}

function only(value: string, sentence: string): Definition {
  return { fallback: value, sentence, allowed: JSON.stringify(value), accepts: (given) => given === value }
}

/** The first is the default. */
function oneOf(values: readonly [string, ...string[]], sentence: string): Definition {
  const allowed = `one of ${values.join(', ')}`
  return { fallback: values[0], sentence, allowed, accepts: (given) => values.includes(given) }
}

const compressionOf: Readonly<Record<string, TopicConfig['compression']>> = {
  producer: 'producer',
  uncompressed: 'none',
  gzip: 'gzip',
  snappy: 'snappy',
  lz4: 'lz4',
  zstd: 'zstd',
}
const timestampTypeOf: Readonly<Record<string, TopicConfig['timestampType']>> = {
  CreateTime: 'create',
  LogAppendTime: 'append',
}
/** Codecs whose level can be chosen. */
const levelConfigOf: Partial<Record<TopicConfig['compression'], string>> = {
  gzip: 'compression.gzip.level',
  zstd: 'compression.zstd.level',
}
/** What zlib calls its default; there is no level 0, which would not compress. */
const GZIP_LEVEL_DEFAULT = '-1'

const definitions: Readonly<Record<string, Definition>> = {
  'cleanup.policy': only('delete', 'What happens to old data: it is deleted.'),
  'compression.gzip.level': {
    fallback: GZIP_LEVEL_DEFAULT,
    sentence:
      'How hard the broker tries where it compresses with gzip; -1 is the default of zlib, which is 6.',
    allowed: '-1 or a whole number from 1 to 9',
    accepts: (value) =>
      value === GZIP_LEVEL_DEFAULT ||
      (/^\d$/.test(value) && levelProblem('gzip', Number(value)) === undefined),
  },
  'compression.lz4.level': only('9', 'The lz4 of the broker has no levels to choose from.'),
  'compression.type': oneOf(
    ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    'How batches are stored: as the producer sent them, or as the broker makes them.',
  ),
  'compression.zstd.level': wholeNumber(
    compressionLevels.zstd.min,
    String(compressionLevels.zstd.max),
    String(compressionLevels.zstd.default),
    'How hard the broker tries where it compresses with zstd; below 0 is faster than fast.',
  ),
  'max.message.bytes': wholeNumber(
    BATCH_BYTES_MIN,
    String(BATCH_BYTES_MAX),
    '1048588',
    'Largest record batch the topic takes, in bytes, as it is sent and as it is stored.',
  ),
  'message.timestamp.after.max.ms': wholeNumber(
    0,
    NO_BOUND,
    '3600000',
    'How far the timestamp of a record may lie ahead of the clock of the broker.',
  ),
  'message.timestamp.before.max.ms': wholeNumber(
    0,
    NO_BOUND,
    NO_BOUND,
    'How far the timestamp of a record may lie behind the clock of the broker.',
  ),
  'message.timestamp.type': oneOf(
    ['CreateTime', 'LogAppendTime'],
    'Whose time records have: that of their producer, or that of the broker when it takes them.',
  ),
  'min.insync.replicas': wholeNumber(
    1,
    '1',
    '1',
    'Copies that must hold a record before it is acknowledged; this broker is the only one.',
  ),
  'retention.bytes': wholeNumber(
    -1,
    NO_BOUND,
    '-1',
    'Bytes of record batches a partition keeps at least before old ones may go; -1 is no bound.',
  ),
  'retention.ms': wholeNumber(
    -1,
    NO_BOUND,
    '604800000',
    'How long a record batch is kept after its newest timestamp; -1 is for ever.',
  ),
}

/** Every config there is, in order of name, for help and documents. */
export const topicConfigs: readonly (Pick<Definition, 'fallback' | 'sentence' | 'allowed'> & {
  readonly name: string
})[] = Object.entries(definitions).map(([name, { fallback, sentence, allowed }]) => ({
  name,
  fallback,
  sentence,
  allowed,
}))

function definitionOf(name: string): Definition {
  if (Object.hasOwn(definitions, name)) return definitions[name] as Definition
  const known = Object.keys(definitions).join(', ')
  throw new ProtocolError(
    ErrorCode.INVALID_CONFIG,
    `${JSON.stringify(name.slice(0, 80))} is no config of a topic; there are ${known}`,
  )
}

/** Throws {@link ProtocolError} INVALID_CONFIG naming the config, what came and what is allowed. */
function checkTopicConfig(name: string, value: string): void {
  const definition = definitionOf(name)
  if (definition.accepts(value)) return
  throw new ProtocolError(
    ErrorCode.INVALID_CONFIG,
    `${name} is ${JSON.stringify(value.slice(0, 80))}; allowed is ${definition.allowed}`,
  )
}

/** Configs after some were set and, with null, others put back to their default. All checked. */
export function changeTopicConfig(
  values: TopicConfigValues,
  changes: readonly { readonly name: string; readonly value: string | null }[],
): TopicConfigValues {
  const result = new Map(Object.entries(values))
  const seen = new Set<string>()
  for (const { name, value } of changes) {
    if (seen.has(name)) throw new ProtocolError(ErrorCode.INVALID_CONFIG, `${name} is given twice`)
    seen.add(name)
    const { fallback } = definitionOf(name)
    if (value !== null) checkTopicConfig(name, value)
    if (value === null || value === fallback) result.delete(name)
    else result.set(name, value)
  }
  return Object.fromEntries([...result].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Whether nothing differs but how much is kept. */
export function differOnlyInRetention(one: TopicConfigValues, other: TopicConfigValues): boolean {
  return Object.keys(definitions).every((name) => one[name] === other[name] || name.startsWith('retention.'))
}

export function parseTopicConfig(values: TopicConfigValues): TopicConfig {
  const text = (name: string) => values[name] ?? definitionOf(name).fallback
  const number = (name: string) => Number(text(name))
  const compression = compressionOf[text('compression.type')]
  const levelConfig = levelConfigOf[compression]
  return {
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    timestampType: timestampTypeOf[text('message.timestamp.type')],
    compression,
    compressionLevel:
      levelConfig === undefined || text(levelConfig) === GZIP_LEVEL_DEFAULT ? undefined : number(levelConfig),
  }
}

/** Every config with its value in force, in order of name. */
export function describeTopicConfig(values: TopicConfigValues): DescribedTopicConfig[] {
  return Object.entries(definitions).map(([name, { fallback, sentence }]) => ({
    name,
    value: values[name] ?? fallback,
    isDefault: !Object.hasOwn(values, name),
    sentence,
  }))
}
