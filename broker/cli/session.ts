/**
 * A command's connection to a broker: opened, handed to the command, closed. Turns "cannot connect" into
 * the one line that says what to do about it.
 */
import { namespaceOf } from '../../auth/acl/qualified-name.ts'
import {
  type ConnectionEvent,
  connect,
  type OctopusClient,
  type TopicDescription,
} from '../../client/index.ts'
import { isExposed } from '../../client/loopback.ts'
import { isCertificateFailure } from '../../client/node/connect-failure.ts'
import { environmentToken } from '../../client/node/environment-token.ts'
import { holdsMore } from '../../client/options.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { modeForOthers } from '../access/secret-file.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'
import type { Output } from './output.ts'
import { trustedIssuers } from './trusted-issuers.ts'

/** The flags of every command that talks to a broker. */
export interface ClientFlags {
  readonly url?: string
  readonly caFile?: string
  readonly insecurePlaintext?: true
  readonly json?: true
}

const DEFAULT_URL = 'ws://127.0.0.1:7654'
const CONNECT_TIMEOUT_MS = 5_000

/** Runs `work` with a client; closes it whatever happens. */
export async function withClient<T>(
  flags: ClientFlags,
  context: CommandContext,
  work: (client: OctopusClient) => Promise<T>,
): Promise<T> {
  const url = brokerUrl(flags.url, context.env)
  const token = tokenOf(context)
  const tls = trustedIssuers(flags.caFile, url, context.env)
  const insecurePlaintext = flags.insecurePlaintext ?? context.env.OCTOPUS_INSECURE_PLAINTEXT === 'on'
  if (token && !insecurePlaintext && isExposed(url))
    throw usage(
      `on the way to ${url} others could read the credential; use wss://, or say --insecure-plaintext if that network is safe ` +
        '(127.0.0.1, [::1] and localhost need neither)',
    )
  let client: OctopusClient
  try {
    client = await connect({
      url,
      tls,
      clientName: 'octopus-cli',
      ...(token && { token }),
      insecurePlaintext,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onConnection: outageTeller(context.err),
    })
  } catch (error) {
    throw withoutCredential(error, url, context.env) ?? unreachable(error, url, context.invocation)
  }
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** Looked at before anything is asked: what is wrong with a file is not the fault of a broker. */
function tokenOf({ env, err }: CommandContext): (() => string) | undefined {
  const token = environmentToken(env)
  const { OCTOPUS_TOKEN_FILE: path } = env
  if (!token || !path) return token
  let first: string | undefined
  try {
    first = token()
  } catch (error) {
    throw new Failure(ExitCode.CONFIG, (error as Error).message, { cause: error })
  }
  if (env.OCTOPUS_TOKEN)
    err.say('octopus: OCTOPUS_TOKEN_FILE and OCTOPUS_TOKEN are both set; the file counts')
  const mode = modeForOthers(path)
  if (mode !== undefined)
    err.say(
      `octopus: others may read ${path} (mode ${mode}), so what is in it is no secret: chmod 600 ${path}`,
    )
  // A pipe is read once.
  return () => {
    const shown = first ?? token()
    first = undefined
    return shown
  }
}

/**
 * Says once when the connection is lost and once when it is back: the command goes on by itself meanwhile. So it does
 * while there is no newer credential.
 */
export function outageTeller(err: Output): (event: ConnectionEvent) => void {
  let isLost = false
  let isUnrenewed = false
  return (event) => {
    if (event.kind === 'disconnected') {
      isLost = true
      err.say(`octopus: ${event.error.message}; trying again`)
    } else if (event.kind === 'unrenewed' && event.isExpired && !isUnrenewed) {
      isUnrenewed = true
      err.say(`octopus: ${event.error.message}; trying again`)
    } else if (event.kind === 'renewed' && isUnrenewed) {
      isUnrenewed = false
      err.say('octopus: there is a newer credential')
    } else if (event.kind === 'connected' && isLost) {
      isLost = false
      err.say(`octopus: connected to ${event.url} again`)
    }
  }
}

/** The address of the broker: the flag, else OCTOPUS_URL, else the default. Throws a usage failure. */
export function brokerUrl(flag: string | undefined, env: CommandContext['env']): string {
  const url = flag ?? (env.OCTOPUS_URL || DEFAULT_URL)
  const from = flag === undefined ? 'OCTOPUS_URL' : '--url'
  const isAddress = URL.canParse(url) && /^wss?:\/\//.test(url)
  if (isAddress && holdsMore(url))
    throw usage(
      `${from}: an address has no user, password, query or fragment, for it stands in logs; OCTOPUS_TOKEN_FILE names a file with the credential`,
    )
  if (isAddress) return url
  throw usage(`${from}: "${url}" is not the address of a broker; it looks like ${DEFAULT_URL}`)
}

/** Nothing was shown, and something is asked for: where there is a key. */
function withoutCredential(error: unknown, url: string, env: CommandContext['env']): Failure | undefined {
  const isRefused = error instanceof ProtocolError && error.code === ErrorCode.SASL_AUTHENTICATION_FAILED
  if (!isRefused || environmentToken(env)) return undefined
  return new Failure(
    ExitCode.FAILED,
    `${url} asks for a credential. Name a file that holds one: export OCTOPUS_TOKEN_FILE=${env.OCTOPUS_DATA || 'data'}/admin.key ` +
      "is the administrator's, which the broker wrote into its data directory when it first started",
    { cause: error },
  )
}

function unreachable(error: unknown, url: string, invocation: string): unknown {
  if (!(error instanceof ProtocolError) || error.code !== ErrorCode.DISCONNECTED) return error
  const code = systemCode(error)
  const refused = code === 'ECONNREFUSED'
  const reason = refused ? 'connection refused' : error.message.replace(/^cannot connect to \S+: /, '')
  if (isCertificateFailure(code))
    return new Failure(ExitCode.UNAVAILABLE, `cannot trust ${url}: ${reason}`, { cause: error })
  return new Failure(
    ExitCode.UNAVAILABLE,
    `cannot reach ${url} (${reason}). Is a broker running? Start one with: ${invocation} serve`,
    { cause: error },
  )
}

/** The code the system gave, however deep below; Node throws the failures of several addresses together. */
function systemCode(error: unknown): unknown {
  if (error instanceof AggregateError) return systemCode(error.errors[0])
  if (!(error instanceof Error)) return undefined
  return !(error instanceof ProtocolError) && 'code' in error ? error.code : systemCode(error.cause)
}

/** A topic that is there. Otherwise a failure that names those that are, and how to create this one. */
export async function existingTopic(
  client: OctopusClient,
  name: string,
  invocation: string,
): Promise<TopicDescription> {
  const admin = client.admin()
  try {
    const [topic] = await admin.describeTopics([name])
    return topic
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw error
    const names = (await admin.listTopics()).map((topic) => topic.name)
    const hint = (await mayCreate(client, name)) ? invocation : undefined
    throw new Failure(ExitCode.FAILED, unknownTopic(name, names, hint), { cause: error })
  }
}

/** Whether it makes sense to tell him how. What is no name nobody may create. */
async function mayCreate(client: OctopusClient, name: string): Promise<boolean> {
  const admin = client.admin()
  const resources = [`topic:${name}`, `namespace:${namespaceOf(name)}`, 'cluster']
  try {
    const answers = resources.map((resource) => admin.explainAccess({ operation: 'create', resource }))
    return (await Promise.all(answers)).some(({ allowed }) => allowed)
  } catch (error) {
    if (error instanceof ProtocolError && error.code === ErrorCode.INVALID_REQUEST) return false
    throw error
  }
}

const NAMES_SHOWN = 5

/**
 * The sentence of an unknown topic. Pure.
 *
 * @param invocation undefined: it is not for him to create
 */
export function unknownTopic(
  name: string,
  existing: readonly string[],
  invocation: string | undefined,
): string {
  const shown = [...existing].sort().slice(0, NAMES_SHOWN).join(', ')
  const more = existing.length > NAMES_SHOWN ? ` and ${existing.length - NAMES_SHOWN} more` : ''
  const present = existing.length === 0 ? 'There is none yet' : `There is: ${shown}${more}`
  const missing = `there is no topic "${name}"`
  if (invocation === undefined)
    return existing.length === 0
      ? `${missing} that you may see, nor any other`
      : `${missing} that you may see. ${present}`
  return `${missing}. ${present}. Create it with: ${invocation} topic create ${name} --partitions 4`
}

/** Throws a failure that says which partitions the topic has, when it has not this one. */
export function checkPartition(topic: string, count: number, partition: number): void {
  if (partition < count) return
  const present = count === 1 ? 'only partition 0' : `partitions 0 to ${count - 1}`
  throw new Failure(ExitCode.FAILED, `topic "${topic}" has ${present}, and no partition ${partition}`)
}
