/**
 * `octopus verify`: reads everything in a data directory that no broker has open, and says what of it is not what was
 * stored. Findings are lines on standard output, for people or, with --json, an object a line.
 */
import prettyBytes from 'pretty-bytes'
import { type DataDirectory, openDataDirectory } from '../../storage/data-directory.ts'
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { StorageError } from '../../storage/segment-store.ts'
import { type Finding, placeName } from '../../storage/verify/finding.ts'
import { type DirectoryVerdict, verifyDirectory } from '../../storage/verify/verify-directory.ts'
import { type SystemPorts, systemPorts } from '../system-ports.ts'
import { decodeTopicRecord, TOPIC_KEY_PREFIX, topicNameOfKey } from '../topics/topic-record.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { asFailure, Failure } from './failure.ts'
import { showProgress } from './progress.ts'

export interface VerifyFlags {
  readonly data: string
  readonly json?: true
}

interface Verified {
  readonly verdict: DirectoryVerdict
  readonly damages: number
  readonly notes: number
}

export async function verify(flags: VerifyFlags, context: CommandContext): Promise<number> {
  const ports = systemPorts()
  return withDataDirectory(flags.data, ports, context, async (data) => {
    const verified = await look(data, flags, ports, context)
    context.out.write(flags.json ? jsonSummary(verified) : textSummary(data, verified, context.invocation))
    return verified.damages === 0 ? ExitCode.OK : ExitCode.DAMAGED
  })
}

async function withDataDirectory(
  path: string,
  ports: SystemPorts,
  context: CommandContext,
  work: (data: DataDirectory) => Promise<number>,
): Promise<number> {
  let data: DataDirectory | undefined
  try {
    data = await openDataDirectory({
      path,
      now: context.nowMs,
      randomUuid: () => Buffer.from(ports.random.bytes(16)).toString('hex'),
      mustExist: true,
    })
    return await work(data)
  } catch (error) {
    if (!(error instanceof StorageError)) throw asFailure(error)
    throw new Failure(exitCodeOf(error), error.message, { cause: error })
  } finally {
    await data?.close()
  }
}

function exitCodeOf({ code }: StorageError): ExitCode {
  if (code === 'DAMAGED') return ExitCode.DAMAGED
  return code === 'WRITE_FAILED' || code === 'NO_SPACE' ? ExitCode.STORAGE : ExitCode.CANNOT_CREATE
}

/** Verifies, and writes each finding as it is found. */
async function look(
  data: DataDirectory,
  flags: VerifyFlags,
  ports: SystemPorts,
  context: CommandContext,
): Promise<Verified> {
  let damages = 0
  let notes = 0
  let bytes = 0
  let ofBytes = 0
  const endProgress = showProgress(context.err, (elapsedMs) =>
    progressLine(bytes, ofBytes, damages, elapsedMs),
  )
  const { out } = context
  try {
    const verdict = await verifyDirectory(data, {
      crc32c: ports.crc32c,
      topicOf,
      onFinding: (finding) => {
        if (finding.severity === 'damage') damages++
        else notes++
        out.write(flags.json ? `${JSON.stringify({ finding })}\n` : `${findingLine(finding)}\n`)
      },
      onProgress: async (done, all) => {
        bytes = done
        ofBytes = all
        if (!out.canWrite) await out.writable()
        // The counter and an interruption get their turn.
        await new Promise<void>((resolve) => ports.timers.soon(resolve))
      },
    })
    return { verdict, damages, notes }
  } finally {
    endProgress()
  }
}

function topicOf(
  entry: MetadataEntry,
): { topicId: Uint8Array; name: string; partitions: number } | undefined {
  if (!entry.key.startsWith(TOPIC_KEY_PREFIX)) return undefined
  const { topicId, partitions } = decodeTopicRecord(entry)
  return { topicId, name: topicNameOfKey(entry.key), partitions }
}

export function findingLine(finding: Finding): string {
  const { severity, code, file, sentence } = finding
  const place = placeName(finding) || file || ''
  return `${severity}  ${code}  ${place}: ${sentence.replace(/\s*\n\s*/g, ' ')}`
}

const BAR_WIDTH = 24

function progressLine(bytes: number, ofBytes: number, damages: number, elapsedMs: number): string {
  const share = ofBytes === 0 ? 0 : Math.min(1, bytes / ofBytes)
  const filled = Math.round(share * BAR_WIDTH)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`
  const rate = elapsedMs === 0 ? 0 : (bytes / elapsedMs) * 1000
  const found = damages === 0 ? '' : `, ${damages} damaged`
  return `verifying ${bar} ${Math.floor(share * 100)} %, ${prettyBytes(bytes)} at ${prettyBytes(rate)}/s${found}`
}

function totals({ shards }: DirectoryVerdict): {
  segments: number
  values: number
  bytes: number
  partitions: number
} {
  const sums = { segments: 0, values: 0, bytes: 0, partitions: 0 }
  for (const { verdict } of shards) {
    sums.segments += verdict.segments.length
    sums.values += verdict.values
    sums.bytes += verdict.valueBytes
    sums.partitions += [...verdict.journal.partitions()].length
  }
  return sums
}

function jsonSummary({ verdict, damages, notes }: Verified): string {
  return `${JSON.stringify({ summary: { damages, notes, ...totals(verdict) } })}\n`
}

function textSummary(
  { path }: DataDirectory,
  { verdict, damages, notes }: Verified,
  invocation: string,
): string {
  const { segments, values, bytes, partitions } = totals(verdict)
  const read = `${prettyBytes(bytes)} in ${values.toLocaleString('en-US')} values of ${segments} segments, ${partitions} partitions`
  const noted = notes === 0 ? '' : `; ${notes} ${notes === 1 ? 'note' : 'notes'} above`
  if (damages === 0) return `${path} is sound: ${read}${noted}\n`
  const what = `${damages} ${damages === 1 ? 'finding' : 'findings'} of damage in ${read}${noted}`
  return `${path} is damaged: ${what}.\nTo see what can be done: ${invocation} verify --data ${path} --repair --dry-run\n`
}
