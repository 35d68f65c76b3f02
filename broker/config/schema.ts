/**
 * Every setting of the broker: name, type, bounds, default and meaning, described once. Flags, variables,
 * file, help and error messages are all made from this description.
 */
import { z } from 'zod'
import { BATCH_BYTES_MAX } from '../topics/topic-config.ts'
import { idleTimeoutLimits } from '../transport/transport.ts'
import { allowedOrigins } from './allowed-origins.ts'
import { introspectionSchema, issuerSchema } from './auth-settings.ts'
import { listenAddress } from './listen-address.ts'
import { administrators } from './principal-names.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** What help and errors say of a setting. */
export interface SettingAbout {
  readonly sentence: string
  /** What is allowed, after "must be". */
  readonly allowed: string
  /** It is made of several values that hang together: no flag or variable can hold it. */
  readonly isFileOnly?: true
}

function aboutOf(sentence: string, allowed: string): { sentence: string; allowed: string } {
  return { sentence, allowed }
}

/** Flags and variables are text; what does not look like a number is left for the schema to refuse. */
function numberOfText(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
}

/** Also takes `64MiB` and the like. */
function bytesOfText(value: unknown): unknown {
  const match = typeof value === 'string' ? /^(\d+) ?(KiB|MiB|GiB)$/i.exec(value) : null
  if (!match) return numberOfText(value)
  const unit = { kib: KIB, mib: MIB, gib: GIB }[match[2].toLowerCase()] as number
  return Number(match[1]) * unit
}

function count(minimum: number, maximum: number, fallback: number, sentence: string) {
  return z
    .preprocess(numberOfText, z.int().min(minimum).max(maximum))
    .default(fallback)
    .meta(aboutOf(sentence, `a whole number from ${minimum} to ${maximum}`))
}

function byteCount(minimum: number, maximum: number, fallback: number, sentence: string) {
  return z
    .preprocess(bytesOfText, z.int().min(minimum).max(maximum))
    .default(fallback)
    .meta(aboutOf(sentence, `a number of bytes from ${minimum} to ${maximum}, such as 1048576 or 1MiB`))
}

function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
  fallback: T[number],
  sentence: string,
) {
  return z
    .enum(values)
    .default(fallback)
    .meta(aboutOf(sentence, `one of ${values.join(', ')}`))
}

function pemFile(sentence: string) {
  return z.string().min(1).optional().meta(aboutOf(sentence, 'the path of a file'))
}

export const configSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('data')
    .meta(aboutOf('Directory that holds everything the broker keeps.', 'the path of a directory')),
  listen: listenAddress
    .default({ host: '127.0.0.1', port: 7654 })
    .meta(
      aboutOf(
        'Address for clients and for HTTP; port 0 lets the system choose.',
        'HOST:PORT, such as 127.0.0.1:7654 or [::1]:7654',
      ),
    ),
  insecurePlaintext: oneOf(
    ['on', 'off'],
    'off',
    'Listen beyond this machine without TLS: anybody on the way can read and change credentials and events.',
  ),
  allowedOrigins: allowedOrigins
    .default([])
    .meta(
      aboutOf(
        'Web pages that may use the broker from a browser, with commas; without any every page is refused.',
        'origins of web pages, such as https://lab.example.edu',
      ),
    ),
  tls: z.strictObject({
    cert: pemFile(
      'File with the certificate of this address and those of its issuers, in that order, in PEM form.',
    ),
    key: pemFile('File with the private key of the certificate, in PEM form, without a passphrase.'),
  }),
  log: z.strictObject({
    level: oneOf(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'info',
      'Least important messages that are logged.',
    ),
    format: oneOf(
      ['auto', 'pretty', 'json'],
      'auto',
      'Lines for people or for machines; auto is pretty on a terminal and json elsewhere.',
    ),
  }),
  topics: z.strictObject({
    partitionsDefault: count(1, 10_000, 1, 'Partitions of a topic whose creator named no number.'),
    partitionsPerTopicMax: count(1, 10_000, 10_000, 'Most partitions one topic may have.'),
    partitionsMax: count(1, 100_000, 20_000, 'Most partitions of all topics together.'),
  }),
  retention: z.strictObject({
    checkIntervalMs: count(100, 3_600_000, 5_000, 'Time between two looks for data whose time is over.'),
  }),
  storage: z.strictObject({
    segmentBytes: byteCount(
      2 * BATCH_BYTES_MAX,
      GIB,
      256 * MIB,
      'Size of the segment files made from now on, a multiple of 4096.',
    ),
    freeBytesMin: byteCount(
      16 * MIB,
      1024 * GIB,
      64 * MIB,
      'Bytes the broker never uses on the disk; it takes no more events two segments before.',
    ),
    commitTimeoutMs: count(
      1_000,
      600_000,
      30_000,
      'Time the disk may take for one commit; after it counts as failed and the broker stops.',
    ),
    recycle: oneOf(
      ['on', 'off'],
      'on',
      'Overwrite the files of expired segments; off deletes them, so that no old bytes stay on the disk.',
    ),
  }),
  auth: z.strictObject({
    issuers: z
      .array(issuerSchema, { error: 'must be a list of issuers, each with issuer and audience' })
      .max(100, { error: 'must be at most 100 issuers' })
      .default([])
      .meta({
        ...aboutOf('OpenID providers whose signed tokens are taken.', 'a list of issuers'),
        isFileOnly: true,
      }),
    introspection: introspectionSchema.optional().meta({
      ...aboutOf(
        'Server that is asked about opaque tokens (RFC 7662).',
        'url, clientId and clientSecretFile, and audience or requiredScopes',
      ),
      isFileOnly: true,
    }),
    tokenLifetimeMaxMs: count(
      60_000,
      30 * 24 * 3_600_000,
      24 * 3_600_000,
      'Longest life of a token this node issues itself, and how long a retired key of its is kept.',
    ),
    keyLifetimeMaxMs: count(
      60_000,
      3_660 * 24 * 3_600_000,
      90 * 24 * 3_600_000,
      'Longest life of a key that somebody makes for himself who came with a token of a provider.',
    ),
    anonymous: oneOf(
      ['on', 'off'],
      'off',
      'Let clients in without a credential; they may do what is allowed to anonymous, and nothing else.',
    ),
    administrators: administrators
      .default([])
      .meta(
        aboutOf(
          'Who may do everything, beside the holders of keys with the role admin.',
          'principals with commas, such as user:ada@lab.edu,group:operators',
        ),
      ),
    personalNamespaces: oneOf(
      ['on', 'off'],
      'off',
      'Give each user a namespace of his own, u-ID, when he first comes.',
    ),
    timeoutMs: count(100, 600_000, 10_000, 'Time a client has for its credential after hello.'),
    aclEntriesMax: count(100, 1_000_000, 100_000, 'Most entries of the access control list.'),
    aclEntriesPerNamespaceMax: count(
      10,
      1_000_000,
      10_000,
      'Most of these entries about one namespace and what is in it.',
    ),
    keysPerPrincipalMax: count(1, 10_000, 100, 'Most API keys of one user.'),
    namespacesMax: count(10, 1_000_000, 10_000, 'Most namespaces.'),
    throttleBurst: count(
      1,
      10_000,
      20,
      'Wrong credentials of one address, or for one key, before it has to wait.',
    ),
    throttleRefillMs: count(10, 3_600_000, 1_000, 'Wait for each wrong credential more.'),
  }),
  producers: z.strictObject({
    idsMax: count(
      1,
      1_000_000,
      100_000,
      'Most producers the partitions remember, counted once per partition; the longest unused is forgotten first.',
    ),
    namesMax: count(1, 1_000_000, 10_000, 'Most names of producers.'),
    expirationMs: count(
      60_000,
      366 * 24 * 3_600_000,
      7 * 24 * 3_600_000,
      'Time after which a producer that sent nothing to a partition is forgotten there, and an unused name is free.',
    ),
  }),
  groups: z.strictObject({
    groupsMax: count(1, 1_000_000, 20_000, 'Most consumer groups.'),
    membersPerGroupMax: count(1, 10_000, 1_000, 'Most members of one group.'),
    offsetsRetentionMs: count(
      60_000,
      366 * 24 * 3_600_000,
      7 * 24 * 3_600_000,
      'How long offsets of a group are kept that has no members.',
    ),
    sessionTimeoutMsMin: count(
      100,
      3_600_000,
      1_000,
      'Shortest silence after which a member may ask to be taken for dead.',
    ),
    sessionTimeoutMsMax: count(1_000, 24 * 3_600_000, 1_800_000, 'Longest one.'),
    heartbeatIntervalMs: count(50, 60_000, 3_000, 'How long a heartbeat of a member waits for news.'),
  }),
  codecs: z.strictObject({
    workers: count(
      0,
      256,
      0,
      'Threads that pack, unpack and search records; 0: one less than there are cores, at least one.',
    ),
    queuedBytesMax: byteCount(
      16 * MIB,
      16 * GIB,
      64 * MIB,
      'Bytes that may wait for these threads; who comes with more is asked to come again.',
    ),
    offloadBytesMin: byteCount(
      0,
      GIB,
      16 * KIB,
      'From this size on such work goes to a thread; what packs harder than zstd level 1 goes earlier.',
    ),
    taskTimeoutMs: count(
      1_000,
      600_000,
      30_000,
      'Time a thread may take for one piece of such work; after it the thread is replaced.',
    ),
  }),
  limits: z.strictObject({
    decompressedBytesMax: byteCount(
      MIB,
      GIB,
      64 * MIB,
      'What the records of compressed batches may take unpacked.',
    ),
    connectionsMax: count(1, 1_000_000, 10_000, 'Most clients at one time.'),
    // Room for the largest record batch and a header.
    frameBytesMax: byteCount(
      BATCH_BYTES_MAX + 64 * KIB,
      64 * MIB,
      9 * MIB,
      'Largest message a client may send; an unfinished one of each client may occupy as much.',
    ),
    fetchBytesMax: byteCount(64 * KIB, GIB, 64 * MIB, 'Most bytes of one fetch answer.'),
    inFlightRequestsMax: count(1, 10_000, 256, 'Requests of one client that may be unanswered.'),
    produceWindowBytesMax: byteCount(
      64 * KIB,
      64 * MIB,
      4 * MIB,
      'Record batches one client may have unanswered while there is room for all.',
    ),
    produceWindowBytesMin: byteCount(
      KIB,
      MIB,
      64 * KIB,
      'Record batches one client may have unanswered however many there are.',
    ),
    produceBufferBytesMax: byteCount(
      16 * MIB,
      16 * GIB,
      256 * MIB,
      'Record batches of all clients together that may be unanswered.',
    ),
    bufferedBytesMax: byteCount(
      64 * KIB,
      32 * MIB,
      4 * MIB,
      'Bytes on their way to one client before fetches halt and answers wait.',
    ),
    queuedBytesMax: byteCount(
      64 * KIB,
      64 * MIB,
      8 * MIB,
      'Bytes of answers that may wait for one client; with more it is disconnected.',
    ),
    helloTimeoutMs: count(100, 600_000, 10_000, 'Time a new client has to say hello.'),
    stalledTimeoutMs: count(1_000, 3_600_000, 30_000, 'Time a client may take nothing of what waits for it.'),
    idleTimeoutMs: count(
      idleTimeoutLimits.minimumMs,
      idleTimeoutLimits.maximumMs,
      60_000,
      'Time a client may send nothing, not even a pong.',
    ),
  }),
  shutdown: z.strictObject({
    timeoutMs: count(0, 600_000, 10_000, 'Time for requests under way to finish when the broker stops.'),
  }),
})

export type Config = z.output<typeof configSchema>

/** One setting as flags, variables and help see it. */
export interface Setting extends SettingAbout {
  /** As in a config file, levels joined by dots: `log.level`. */
  readonly key: string
  /** `--log-level` */
  readonly flag: string
  /** `OCTOPUS_LOG_LEVEL` */
  readonly variable: string
}

const everySetting = leaves(configSchema.shape, [])
/** Every setting that has a flag and a variable, in the order of the schema. */
export const settings: readonly Setting[] = everySetting.filter(({ isFileOnly }) => !isFileOnly)
/** Those of the config file alone; their flags and variables are refused by name. */
export const fileSettings: readonly Setting[] = everySetting.filter(({ isFileOnly }) => isFileOnly)

function leaves(shape: Readonly<Record<string, z.core.$ZodType>>, path: readonly string[]): Setting[] {
  return Object.entries(shape).flatMap(([name, type]) => {
    const here = [...path, name]
    if (type instanceof z.ZodObject) return leaves(type.shape, here)
    const about = (type as z.ZodType).meta() as unknown as SettingAbout
    const words = here.flatMap((level) => level.replace(/[A-Z]/g, ' $&').toLowerCase().split(' '))
    return {
      key: here.join('.'),
      flag: `--${words.join('-')}`,
      variable: `OCTOPUS_${words.join('_').toUpperCase()}`,
      ...about,
    }
  })
}
