/** Names, configs and the stored form of topics. */
import t from 'tap'
import {
  changeTopicConfig,
  describeTopicConfig,
  parseTopicConfig,
} from '../../../broker/topics/topic-config.ts'
import { parseTopicIdHex, topicIdHex, topicIdKey } from '../../../broker/topics/topic-id.ts'
import { parseTopicName, parseUserTopicName } from '../../../broker/topics/topic-name.ts'
import { decodeTopicRecord, encodeTopicRecord } from '../../../broker/topics/topic-record.ts'
import { errorDefinition, type ProtocolError } from '../../../client/protocol/errors.ts'

/** `NAME: message` of what it throws. */
function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    const { code, message } = error as ProtocolError
    return `${errorDefinition(code).name}: ${message}`
  }
  return 'accepted'
}

t.test('topic names', async (t) => {
  t.same(parseTopicName('events'), { namespace: 'default', local: 'events', isInternal: false })
  t.same(parseTopicName('lab-7.beam.line_2'), {
    namespace: 'lab-7',
    local: 'beam.line_2',
    isInternal: false,
  })
  t.same(parseTopicName('__groups'), { namespace: 'default', local: '__groups', isInternal: true })
  t.equal(parseTopicName('lab.__x').isInternal, true)
  t.equal(parseTopicName('a'.repeat(249)).local.length, 249)
  const bad: readonly (readonly [string, string])[] = [
    ['', 'topic name "" is empty'],
    ['a'.repeat(250), `topic name "${'a'.repeat(80)}…" has 250 characters, at most 249 are allowed`],
    ['a b', 'topic name "a b" has " " at 1, allowed are a-z A-Z 0-9 . _ -'],
    ['naïve', 'topic name "naïve" has "ï" at 2, allowed are a-z A-Z 0-9 . _ -'],
    ['x😀', 'topic name "x😀" has "😀" at 1, allowed are a-z A-Z 0-9 . _ -'],
    ['a/b', 'topic name "a/b" has "/" at 1, allowed are a-z A-Z 0-9 . _ -'],
    ['.', 'topic name "." has nothing before its first dot, where the namespace belongs'],
    ['..', 'topic name ".." has nothing before its first dot, where the namespace belongs'],
    ['lab.', 'topic name "lab." has nothing after its first dot, where the name in the namespace belongs'],
    ['default.x', 'topic name "default.x" spells out the namespace default; write "x"'],
  ]
  for (const [name, message] of bad)
    t.equal(
      refusal(() => parseTopicName(name)),
      `INVALID_TOPIC_EXCEPTION: ${message}`,
    )
  t.equal(
    refusal(() => parseUserTopicName('__x')),
    'INVALID_TOPIC_EXCEPTION: topic name "__x" begins with __, which is reserved for topics of the broker itself',
  )
  t.equal(parseUserTopicName('x__').local, 'x__')
})

t.test('topic configs', async (t) => {
  t.same(parseTopicConfig({}), {
    retentionMs: 604_800_000,
    retentionBytes: -1,
    maxMessageBytes: 1_048_588,
    timestampBeforeMaxMs: Number('9223372036854775807'),
    timestampAfterMaxMs: 3_600_000,
    timestampType: 'create',
    compression: 'producer',
    compressionLevel: undefined,
  })
  t.same(parseTopicConfig({ 'retention.ms': '-1', 'retention.bytes': '0', 'max.message.bytes': '68' }), {
    ...parseTopicConfig({}),
    retentionMs: -1,
    retentionBytes: 0,
    maxMessageBytes: 68,
  })
  const changed = changeTopicConfig({ 'retention.ms': '5', 'retention.bytes': '7' }, [
    { name: 'retention.ms', value: null },
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'max.message.bytes', value: '8388608' },
  ])
  t.same(changed, { 'max.message.bytes': '8388608', 'retention.bytes': '7' }, 'defaults are not stored')
  const described = describeTopicConfig(changed)
  t.same(
    described.map(({ name, value, isDefault }) => [name, value, isDefault]),
    [
      ['cleanup.policy', 'delete', true],
      ['compression.gzip.level', '-1', true],
      ['compression.lz4.level', '9', true],
      ['compression.type', 'producer', true],
      ['compression.zstd.level', '3', true],
      ['max.message.bytes', '8388608', false],
      ['message.timestamp.after.max.ms', '3600000', true],
      ['message.timestamp.before.max.ms', '9223372036854775807', true],
      ['message.timestamp.type', 'CreateTime', true],
      ['min.insync.replicas', '1', true],
      ['retention.bytes', '7', false],
      ['retention.ms', '604800000', true],
    ],
  )
  for (const { sentence } of described) t.match(sentence, /^[A-Z].*\.$/)

  const refused = (name: string, value: string | null) =>
    refusal(() => changeTopicConfig({}, [{ name, value }]))
  t.equal(
    refused('retention.ms', '-2'),
    'INVALID_CONFIG: retention.ms is "-2"; allowed is a whole number from -1 to 9223372036854775807',
  )
  t.match(refused('retention.ms', '9223372036854775808'), /^INVALID_CONFIG/)
  t.equal(refused('retention.ms', '9223372036854775807'), 'accepted')
  for (const value of ['', '1.5', '1e3', ' 1', '0x10', 'NaN'])
    t.match(refused('retention.ms', value), /^INVALID_/)
  t.equal(
    refused('max.message.bytes', '8388609'),
    'INVALID_CONFIG: max.message.bytes is "8388609"; allowed is a whole number from 68 to 8388608',
  )
  t.equal(
    refused('cleanup.policy', 'compact'),
    'INVALID_CONFIG: cleanup.policy is "compact"; allowed is "delete"',
  )
  t.equal(
    refused('min.insync.replicas', '2'),
    'INVALID_CONFIG: min.insync.replicas is "2"; allowed is a whole number from 1 to 1',
  )
  t.equal(
    refused('retension.ms', null),
    `INVALID_CONFIG: "retension.ms" is no config of a topic; there are ${described.map(({ name }) => name).join(', ')}`,
  )
  t.match(refused('__proto__', 'x'), /^INVALID_CONFIG: "__proto__" is no config/)
  t.equal(
    refusal(() =>
      changeTopicConfig({}, [
        { name: 'retention.ms', value: '1' },
        { name: 'retention.ms', value: '2' },
      ]),
    ),
    'INVALID_CONFIG: retention.ms is given twice',
  )
})

t.test('configs of compression and time', async (t) => {
  const parsed = (values: Record<string, string>) => {
    const { compression, compressionLevel, timestampType } = parseTopicConfig(values)
    return [compression, compressionLevel, timestampType]
  }
  const levels = { 'compression.gzip.level': '9', 'compression.zstd.level': '-7' }
  for (const [type, compression, level] of [
    ['producer', 'producer', undefined],
    ['uncompressed', 'none', undefined],
    ['gzip', 'gzip', 9],
    ['snappy', 'snappy', undefined],
    ['lz4', 'lz4', undefined],
    ['zstd', 'zstd', -7],
  ] as const)
    t.same(parsed({ ...levels, 'compression.type': type }), [compression, level, 'create'])
  t.same(parsed({ 'compression.type': 'gzip' }), ['gzip', undefined, 'create'], 'that of the codec')
  t.same(parsed({ 'compression.type': 'zstd' }), ['zstd', 3, 'create'])
  t.same(parsed({ 'message.timestamp.type': 'LogAppendTime' }), ['producer', undefined, 'append'])

  const refused = (name: string, value: string) => refusal(() => changeTopicConfig({}, [{ name, value }]))
  t.equal(
    refused('compression.type', 'none'),
    'INVALID_CONFIG: compression.type is "none"; allowed is one of producer, uncompressed, gzip, snappy, lz4, zstd',
  )
  t.equal(
    refused('message.timestamp.type', 'logappendtime'),
    'INVALID_CONFIG: message.timestamp.type is "logappendtime"; allowed is one of CreateTime, LogAppendTime',
  )
  t.equal(
    refused('compression.gzip.level', '0'),
    'INVALID_CONFIG: compression.gzip.level is "0"; allowed is -1 or a whole number from 1 to 9',
  )
  t.equal(
    refused('compression.zstd.level', '23'),
    'INVALID_CONFIG: compression.zstd.level is "23"; allowed is a whole number from -131072 to 22',
  )
  t.equal(
    refused('compression.lz4.level', '1'),
    'INVALID_CONFIG: compression.lz4.level is "1"; allowed is "9"',
  )
  for (const value of ['-1', '1', '9']) t.equal(refused('compression.gzip.level', value), 'accepted')
  for (const value of ['-131072', '0', '22']) t.equal(refused('compression.zstd.level', value), 'accepted')
})

t.test('topic records', async (t) => {
  const topicId = Uint8Array.from({ length: 16 }, (_, i) => i * 16 + i)
  const record = {
    topicId,
    partitions: 4,
    configs: { 'retention.ms': '1' },
    createdAtMs: 5,
    state: 'live',
  } as const
  const value = encodeTopicRecord(record)
  t.equal(
    new TextDecoder().decode(value),
    '{"topicId":"00112233445566778899aabbccddeeff","partitions":4,"configs":{"retention.ms":"1"},"createdAtMs":5,"state":"live"}',
  )
  const entry = (value: Uint8Array) => ({ key: '/topics/x', value, createRevision: 1, modRevision: 1 })
  t.same(decodeTopicRecord(entry(value)), record)
  const text = (json: string) => () => decodeTopicRecord(entry(new TextEncoder().encode(json)))
  t.throws(text('{'), { message: 'metadata /topics/x is no JSON text' })
  t.throws(() => decodeTopicRecord(entry(Uint8Array.of(0xff))), { message: /is no JSON text/ })
  t.throws(text('{"topicId":"00"}'), { message: /^metadata \/topics\/x is no topic: / })
  const plain = new TextDecoder().decode(value)
  t.throws(text(plain.replace('0011', 'zz11')), { message: /topicId is not 32 hex digits/ })
  t.throws(text(plain.replace('"live"', '"frozen"')), { message: /state/ })
  t.throws(text(plain.replace('{', '{"later":1,')), { message: /later/ }, 'a newer program wrote it')

  t.equal(topicIdHex(topicId), '00112233445566778899aabbccddeeff')
  t.same(parseTopicIdHex(topicIdHex(topicId)), topicId)
  t.equal(topicIdKey(topicId).length, 16)
  t.not(topicIdKey(topicId), topicIdKey(topicId.slice().reverse()))
})
