/**
 * `octopus verify`: reads everything in a data directory that no broker has open, and says what of it is not what was
 * stored; with --repair it puts right what can be, after showing what that is. Findings are lines on standard
 * output, for people or, with --json, an object a line.
 */
import { basename } from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { DataDirectory } from '../../storage/data-directory.ts'
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { PlanDraft, type RepairPlan } from '../../storage/verify/repair-plan.ts'
import { type RewrittenSegment, repairShard } from '../../storage/verify/repair-shard.ts'
import { type DirectoryVerdict, verifyDirectory } from '../../storage/verify/verify-directory.ts'
import { checkAccessEntry } from '../access/access-entry.ts'
import { checkProducerEntry } from '../producers/producer-record.ts'
import { type SystemPorts, systemPorts } from '../system-ports.ts'
import { decodeTopicRecord, TOPIC_KEY_PREFIX, topicNameOfKey } from '../topics/topic-record.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'
import { findingLine } from './finding-line.ts'
import { withDataDirectory } from './offline.ts'
import { showProgress } from './progress.ts'
import { planText } from './repair-text.ts'

export interface VerifyFlags {
  readonly data: string
  readonly json?: true
  readonly repair?: true
  readonly dryRun?: true
  readonly yes?: true
}

interface Verified {
  readonly verdict: DirectoryVerdict
  readonly plan: RepairPlan
  readonly damages: number
  readonly notes: number
}

export async function verify(flags: VerifyFlags, context: CommandContext): Promise<number> {
  if (!flags.repair && (flags.dryRun || flags.yes))
    throw usage(`${flags.dryRun ? '--dry-run' : '--yes'} goes with --repair. See: octopus verify --help`)
  const ports = systemPorts()
  return withDataDirectory(flags.data, ports, context, async (data) => {
    const verified = await look(data, flags, ports, context)
    const isSound = verified.damages === 0
    if (flags.json) context.out.write(jsonSummary(verified))
    else context.out.write(textSummary(data, verified, flags, context.invocation))
    if (isSound || !flags.repair) return isSound ? ExitCode.OK : ExitCode.DAMAGED
    return repair(data, verified, flags, ports, context)
  })
}

async function repair(
  data: DataDirectory,
  { verdict, plan }: Verified,
  flags: VerifyFlags,
  ports: SystemPorts,
  context: CommandContext,
): Promise<number> {
  const { out } = context
  out.write(flags.json ? `${JSON.stringify({ plan })}\n` : planText(plan))
  // Without metadata it is not known which topics there are, and salvage would give up what it need not.
  const metadata = plan.left.find(({ code }) => code === 'metadata-damaged' || code === 'metadata-missing')
  if (metadata !== undefined)
    throw new Failure(
      ExitCode.DAMAGED,
      `nothing was repaired: first put ${metadata.file} right (${metadata.sentence})`,
    )
  if (flags.dryRun || plan.segments.length === 0) return ExitCode.DAMAGED
  if (!flags.yes) {
    const answer = await context.ask('Do this now? Type yes: ')
    if (answer === undefined)
      throw usage('verify --repair asks before it changes anything, and nobody is there: add --yes')
    if (answer.trim() !== 'yes') {
      context.err.write('octopus: nothing was repaired: the answer was not "yes"\n')
      return ExitCode.DAMAGED
    }
  }
  const rewritten = await rewrite(verdict, ports, context)
  for (const segment of rewritten)
    out.write(flags.json ? `${JSON.stringify({ rewritten: segment })}\n` : rewrittenLine(segment))
  const again = await look(data, flags, ports, context)
  if (flags.json) out.write(jsonSummary(again))
  else out.write(textSummary(data, again, flags, context.invocation))
  return again.damages === 0 ? ExitCode.OK : ExitCode.DAMAGED
}

async function rewrite(
  { shards, topics }: DirectoryVerdict,
  ports: SystemPorts,
  context: CommandContext,
): Promise<RewrittenSegment[]> {
  let bytes = 0
  const endProgress = showProgress(context.err, () => `repairing: ${prettyBytes(bytes)} written anew`)
  try {
    const rewritten: RewrittenSegment[] = []
    for (const shard of shards) {
      const segments = await repairShard(shard, {
        crc32c: ports.crc32c,
        topics,
        nowMs: context.nowMs(),
        onProgress: async (more) => {
          bytes += more
          await turn(ports)
        },
      })
      rewritten.push(...segments)
    }
    return rewritten
  } finally {
    endProgress()
  }
}

/** The counter and an interruption get their turn. */
function turn(ports: SystemPorts): Promise<void> {
  return new Promise((resolve) => ports.timers.soon(resolve))
}

function rewrittenLine({ id, newId, keptAs }: RewrittenSegment): string {
  const what = newId === undefined ? 'removed, nothing was left of it' : `written anew as segment ${newId}`
  const kept = keptAs === undefined ? '' : `; the damaged file is kept as ${basename(keptAs)}`
  return `repaired  segment ${id} ${what}${kept}\n`
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
  const draft = new PlanDraft()
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
        draft.add(finding)
        out.write(flags.json ? `${JSON.stringify({ finding })}\n` : `${findingLine(finding)}\n`)
      },
      onProgress: async (done, all) => {
        bytes = done
        ofBytes = all
        if (!out.canWrite) await out.writable()
        await turn(ports)
      },
    })
    const plan = draft.finish(verdict.shards.map((shard) => shard.verdict))
    return { verdict, plan, damages, notes }
  } finally {
    endProgress()
  }
}

function topicOf(
  entry: MetadataEntry,
): { topicId: Uint8Array; name: string; partitions: number } | undefined {
  if (!entry.key.startsWith(TOPIC_KEY_PREFIX)) {
    checkProducerEntry(entry)
    checkAccessEntry(entry)
    return undefined
  }
  const { topicId, partitions } = decodeTopicRecord(entry)
  return { topicId, name: topicNameOfKey(entry.key), partitions }
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
  { repair: isRepair }: VerifyFlags,
  invocation: string,
): string {
  const { segments, values, bytes, partitions } = totals(verdict)
  const read = `${prettyBytes(bytes)} in ${values.toLocaleString('en-US')} values of ${segments} segments, ${partitions} partitions`
  const noted = notes === 0 ? '' : `; ${notes} ${notes === 1 ? 'note' : 'notes'} above`
  if (damages === 0) return `${path} is sound: ${read}${noted}\n`
  const what = `${damages} ${damages === 1 ? 'finding' : 'findings'} of damage in ${read}${noted}`
  const hint = isRepair
    ? ''
    : `To see what can be done: ${invocation} verify --data ${path} --repair --dry-run\n`
  return `${path} is damaged: ${what}.\n${hint}`
}
