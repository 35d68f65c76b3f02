/**
 * `octopus serve`: one broker, until it is told to stop or cannot write any more.
 *
 * The log goes to standard error; standard output gets one thing, the word that the broker is ready: a
 * sentence, or with `--log-format json` an object {"ready":true,"url","data","pid"}.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { isLmdbCommitNoise } from '../../storage/lmdb/environment.ts'
import { StorageError } from '../../storage/segment-store.ts'
import { ConfigError } from '../config/config-error.ts'
import { loadConfig } from '../config/load-config.ts'
import { type Config, settings } from '../config/schema.ts'
import { MetadataValueError } from '../metadata-json.ts'
import { type Node, startNode } from '../node.ts'
import { ADMIN_KEY_FILE } from '../node-storage.ts'
import { createLogger } from '../observability/logger.ts'
import { systemPorts } from '../system-ports.ts'
import { CertificateError } from '../tls/certificate.ts'
import { TransportError } from '../transport/transport.ts'
import { loadUwsTransport } from '../transport/uws-transport.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { asFailure, Failure } from './failure.ts'
import { killWhenStuck } from './last-resort.ts'

/** By the names commander gives flags: `logLevel` for `--log-level`. */
type ServeFlags = Readonly<Record<string, string | undefined>>

/** After the storage failed the process is gone so much later, even if a thread of it still waits for the disk. */
const FAILED_EXIT_MS = 10_000

export async function serve(flags: ServeFlags, context: CommandContext): Promise<number> {
  const interrupted = context.interruption()
  try {
    const config = configuration(flags, context)
    const { err } = context
    const destination = { write: (text: string) => err.write(text), isTTY: err.isTerminal }
    const { level, format } = config.log
    const logger = createLogger({ level, format, destination })
    context.expectStrayErrors((error) => {
      const isNoise = isLmdbCommitNoise(error)
      if (isNoise) logger.warn({ err: error }, 'a commit that failed is reported again')
      else logger.fatal({ err: error }, 'an unexpected error')
      return isNoise
    })
    const node = await startNode({ config, logger, transport: await loadUwsTransport(), ...systemPorts() })
    if (config.tls.cert !== undefined) context.onHangup(() => void node.reloadCertificate())
    context.out.write(readyWord(node, config, context))
    let failure: Error | undefined
    const failed = node.failed.then((error) => {
      failure = error
      killWhenStuck(FAILED_EXIT_MS, (err) => logger.error({ err }, 'nobody will end a process that hangs'))
    })
    await Promise.race([failed, untilAborted(interrupted)])
    if (failure === undefined) logger.info({ signal: interrupted.reason }, 'stopping')
    await stopped(node, logger, () => failure !== undefined)
    if (failure !== undefined) throw failure
    logger.info('stopped')
    return ExitCode.OK
  } catch (error) {
    throw serveFailure(error)
  }
}

/** After a failure of the storage what stopping meets is a consequence, and the failure is what is to be told. */
async function stopped(node: Node, logger: Logger, hasFailed: () => boolean): Promise<void> {
  try {
    await node.stop()
  } catch (error) {
    if (!hasFailed()) throw error
    logger.warn({ err: error }, 'not everything could be closed')
  }
}

function configuration(flags: ServeFlags, context: CommandContext): Config {
  const bySetting = settings.map(({ key, flag }) => [key, flags[attributeName(flag)]] as const)
  return loadConfig({
    flags: { ...Object.fromEntries(bySetting), config: flags.config },
    env: context.env,
    readFile: (path) => readFileSync(path, 'utf8'),
  })
}

/** `--log-level` is `logLevel`. */
function attributeName(flag: string): string {
  return flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

async function untilAborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, 'abort')
  return undefined
}

function readyWord(node: Node, config: Config, { out, invocation }: CommandContext): string {
  const { url } = node
  const data = resolve(config.data)
  const { pid } = process
  if (config.log.format === 'json') return `${JSON.stringify({ ready: true, url, data, pid })}\n`
  const ready = `octopus is ready at ${url}, data in ${data}; stop it with Ctrl-C or: kill ${pid}\n`
  if (!out.isTerminal) return ready
  const isDefault = config.listen.port === 7654 && config.tls.cert === undefined
  // Every address is none that one could connect to.
  const here = /^(?:0\.0\.0\.0|::)$/.test(node.host) ? url.replace(/\/\/.*:/, '//localhost:') : url
  const where = isDefault ? '' : ` --url ${here}`
  return `${ready}
Try, in another terminal:
  export OCTOPUS_TOKEN_FILE=${join(data, ADMIN_KEY_FILE)}
  ${invocation} topic create readings --partitions 4${where}
  echo hello | ${invocation} produce readings${where}
  ${invocation} consume readings --from earliest${where}

`
}

/** What a broker dies of, each with its exit code; the sentences say what to do already. */
function serveFailure(error: unknown): Failure {
  const because = (exitCode: ExitCode, message: string) => new Failure(exitCode, message, { cause: error })
  if (error instanceof ConfigError) return because(ExitCode.CONFIG, error.problems.join('; '))
  if (error instanceof CertificateError) return because(ExitCode.CONFIG, error.message)
  if (error instanceof TransportError)
    return because(error.code === 'CERTIFICATE' ? ExitCode.CONFIG : ExitCode.UNAVAILABLE, error.message)
  if (error instanceof MetadataValueError)
    return because(
      ExitCode.DAMAGED,
      `${error.message}; the broker does not serve by half of what it knows. octopus verify names everything that is damaged`,
    )
  if (error instanceof StorageError) return because(storageExitCode(error), error.message)
  return asFailure(error)
}

function storageExitCode({ code }: StorageError): ExitCode {
  const isDirectory = code === 'INACCESSIBLE' || code === 'LOCKED' || code === 'FOREIGN'
  return isDirectory ? ExitCode.CANNOT_CREATE : ExitCode.STORAGE
}
