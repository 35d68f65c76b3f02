/**
 * The configuration of a broker from its three sources. Flags win over variables, variables over the
 * file, the file over defaults. Pure but for the one file it is handed a way to read.
 *
 * Every problem is told at once, each in a line that names the setting, where its value came from, the
 * value and what is allowed.
 */
import type { z } from 'zod'
import { isLoopbackHost } from '../../client/loopback.ts'
import { tokenSourceProblems } from './auth-settings.ts'
import { ConfigError } from './config-error.ts'
import { readConfigFile, unknownSetting } from './config-file.ts'
import { nearest } from './nearest.ts'
import { type Config, configSchema, fileSettings, settings } from './schema.ts'
import type { Given, Source } from './source.ts'

export interface ConfigSources {
  /** By setting (`data`, `log.level`), and `config` for the file. Undefined: not given. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string
}

const VARIABLE_PREFIX = 'OCTOPUS_'
const FILE_VARIABLE = 'OCTOPUS_CONFIG'
/** Variables of other parts of the program, and of its tests. */
const FOREIGN_VARIABLES: readonly string[] = [
  FILE_VARIABLE,
  'OCTOPUS_URL',
  'OCTOPUS_CA_FILE',
  'OCTOPUS_TOKEN',
  'OCTOPUS_TOKEN_FILE',
  'OCTOPUS_DEBUG',
  'OCTOPUS_SEED',
  'OCTOPUS_SOAK',
  'OCTOPUS_REQUIRE_TOOLS',
  'OCTOPUS_CHROMIUM',
]
/** Kubernetes makes such variables in every pod beside a service named `octopus`. */
const KUBERNETES_VARIABLE = /^OCTOPUS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)$/

const PLAINTEXT_REFUSED =
  'others could read and change credentials and events on their way to this address; give a certificate with --tls-cert and --tls-key, or say --insecure-plaintext if that network is safe; 127.0.0.1, [::1] and localhost need neither'

/** Throws {@link ConfigError}. */
export function loadConfig(sources: ConfigSources): Config {
  const parts = [readFile(sources), readVariables(sources.env), readFlags(sources.flags)]
  const problems = parts.flatMap((part) => part.problems)
  const given = new Map(parts.flatMap((part) => [...part.given]))
  const parsed = configSchema.safeParse(nested(given))
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => describe(issue, given)))
  else problems.push(...contradictions(parsed.data, given))
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  return parsed.data
}

function readFlags(flags: ConfigSources['flags']): Source {
  const given = new Map<string, Given>()
  const problems: string[] = []
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined || key === 'config') continue
    const setting = settings.find((candidate) => candidate.key === key)
    if (setting) given.set(key, { value, from: setting.flag })
    else problems.push(`${key} (a flag): ${unknownSetting(key)}`)
  }
  return { given, problems }
}

/** An empty variable counts as not given: that is how many tools unset one. */
function readVariables(env: ConfigSources['env']): Source {
  const given = new Map<string, Given>()
  const problems: string[] = []
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(VARIABLE_PREFIX) || !value) continue
    const setting = settings.find((candidate) => candidate.variable === name)
    if (setting) given.set(setting.key, { value, from: name })
    else if (!FOREIGN_VARIABLES.includes(name) && !KUBERNETES_VARIABLE.test(name))
      problems.push(unknownVariable(name))
  }
  return { given, problems }
}

function unknownVariable(name: string): string {
  const inFile = fileSettings.find((setting) => setting.variable === name)
  if (inFile) return `${name}: ${inFile.key} stands in the config file only`
  const known = [...settings.map((setting) => setting.variable), ...FOREIGN_VARIABLES]
  const meant = nearest(name, known)
  return `${name}: there is no such variable${meant ? `; did you mean ${meant}?` : ''}`
}

function readFile({ flags, env, readFile: read }: ConfigSources): Source {
  const path = flags.config ?? (env[FILE_VARIABLE] || undefined)
  if (path === undefined) return { given: new Map(), problems: [] }
  const from = flags.config === undefined ? FILE_VARIABLE : '--config'
  try {
    return readConfigFile(path, read(path))
  } catch (error) {
    const why = (error as Error).message
    return { given: new Map(), problems: [`config = ${show(path)} (${from}): cannot be read: ${why}`] }
  }
}

/** Dotted keys to the nested object the schema describes, its groups present even when empty. */
function nested(given: ReadonlyMap<string, Given>): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  for (const { key } of [...settings, ...fileSettings]) {
    const [first, second] = key.split('.')
    const value = given.get(key)?.value
    if (second === undefined) {
      if (given.has(key)) root[first] = value
      continue
    }
    root[first] ??= {}
    if (given.has(key)) (root[first] as Record<string, unknown>)[second] = value
  }
  return root
}

function describe(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Given>): string {
  const inFile = fileSettings.find(({ key }) => `${issue.path.join('.')}.`.startsWith(`${key}.`))
  if (inFile) return lineWithin(placeOf(issue.path), given, issue.message)
  // Numbers are places in a list, which is one setting.
  const key = issue.path.filter((level) => typeof level === 'string').join('.')
  const setting = settings.find((candidate) => candidate.key === key)
  return line(key, given, issue.code === 'custom' ? issue.message : `must be ${setting?.allowed}`)
}

/** `auth.issuers[0].issuer` */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((level) => (typeof level === 'number' ? `[${level}]` : `.${String(level)}`))
    .join('')
    .slice(1)
}

/** About a part of a setting that stands in the file only. */
function lineWithin(place: string, given: ReadonlyMap<string, Given>, sentence: string): string {
  const key = fileSettings.find((setting) => place.startsWith(setting.key))?.key ?? place
  return `${place} (${given.get(key)?.from ?? 'default'}): ${sentence}`
}

function line(key: string, given: ReadonlyMap<string, Given>, sentence: string): string {
  const { value, from } = given.get(key) ?? { value: undefined, from: 'default' }
  return `${key} = ${show(value)} (${from}): ${sentence}`
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** Settings that are fine alone and wrong together. */
function contradictions(config: Config, given: ReadonlyMap<string, Given>): string[] {
  const { limits, topics, storage } = config
  const found: string[] = []
  const atLeast = (key: string, value: number, minimum: number, because: string) => {
    if (value >= minimum) return
    const from = given.get(key)?.from ?? 'default'
    found.push(`${key} = ${value} (${from}): must be at least ${minimum}, because ${because}`)
  }
  atLeast(
    'limits.produceWindowBytesMax',
    limits.produceWindowBytesMax,
    limits.produceWindowBytesMin,
    `limits.produceWindowBytesMin is ${limits.produceWindowBytesMin}`,
  )
  atLeast(
    'limits.produceBufferBytesMax',
    limits.produceBufferBytesMax,
    limits.frameBytesMax,
    `the largest message (limits.frameBytesMax = ${limits.frameBytesMax}) must fit`,
  )
  atLeast(
    'topics.partitionsPerTopicMax',
    topics.partitionsPerTopicMax,
    topics.partitionsDefault,
    `topics.partitionsDefault is ${topics.partitionsDefault}`,
  )
  if (storage.segmentBytes % 4096 !== 0)
    found.push(line('storage.segmentBytes', given, 'must be a multiple of 4096'))
  for (const [place, sentence] of tokenSourceProblems(config.auth))
    found.push(lineWithin(place, given, sentence))
  return [...found, ...exposure(config, given)]
}

/** What leaves this machine is encrypted, or somebody has said that it need not be. */
function exposure({ listen, tls, insecurePlaintext }: Config, given: ReadonlyMap<string, Given>): string[] {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    const [there, missing] = tls.cert === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key']
    return [line(there, given, `needs ${missing} beside it: TLS takes a certificate and its private key`)]
  }
  if (tls.cert !== undefined || insecurePlaintext === 'on' || isLoopbackHost(listen.host)) return []
  return [line('listen', given, PLAINTEXT_REFUSED)]
}
