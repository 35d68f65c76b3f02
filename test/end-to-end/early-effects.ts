/**
 * Finds in the system calls of a broker whatever a client could see before it was on the disk.
 *
 * For a broker asked one thing at a time: between the request and the first byte of its effect (the answer, or the event at
 * a consumer) everything written to the environment in question must have been synced: pages written,
 * `fdatasync` returned, and then the 128 bytes of the meta page written, whose descriptor is O_DSYNC.
 */
import { apis } from '../../client/protocol/api.ts'
import { FLAG_RESPONSE, readFrame } from '../../client/protocol/frame.ts'
import type { SystemCall } from '../support/strace.ts'

export const TRACED_CALLS = 'fdatasync,fsync,pwrite64,pwritev,writev,sendto,recvfrom'

type Environment = 'log' | 'metadata'
/** How far what was asked for has come. */
type Phase = 'asked' | 'written' | 'synced' | 'durable'

/** What has to be durable before it is answered. */
const needs: ReadonlyMap<number, readonly Environment[]> = new Map([
  [apis.produce.key, ['log']],
  [apis.createTopics.key, ['metadata']],
  [apis.alterTopics.key, ['metadata']],
  [apis.initProducerId.key, ['metadata']],
  [apis.deleteTopics.key, ['log', 'metadata']],
])
const META_BYTES = 128

export interface Effects {
  /** Answers and events that were seen to leave. */
  readonly checked: number
  /** One sentence for each that left too early. */
  readonly early: readonly string[]
}

export function effectsOf(calls: readonly SystemCall[]): Effects {
  const phases: Record<Environment, Phase> = { log: 'durable', metadata: 'durable' }
  const early: string[] = []
  let checked = 0

  function received(bytes: Uint8Array): void {
    for (const { apiKey } of framesOf(bytes)) for (const of of needs.get(apiKey) ?? []) phases[of] = 'asked'
  }

  function sent(bytes: Uint8Array): void {
    for (const { apiKey, flags, body } of framesOf(bytes)) {
      if (!(flags & FLAG_RESPONSE)) continue
      const isEvent = apiKey === apis.fetch.key && body.length > 0
      for (const of of isEvent ? (['log'] as const) : (needs.get(apiKey) ?? [])) {
        checked++
        if (phases[of] !== 'durable')
          early.push(`API ${apiKey} showed an effect while the ${of} was ${phases[of]}`)
      }
    }
  }

  function wrote({ name, edge, target, result }: SystemCall): void {
    const of = environmentOf(target)
    if (of === undefined || edge === 'begin') return
    if (name === 'fdatasync') {
      if (result === 0 && phases[of] === 'written') phases[of] = 'synced'
    } else if (name === 'pwrite64' && result === META_BYTES) {
      if (phases[of] === 'synced') phases[of] = 'durable'
    } else if (result !== undefined && result > 0) phases[of] = 'written'
  }

  for (const call of calls) {
    if (call.name === 'recvfrom') {
      if (call.edge === 'end' && (call.result ?? -1) > 0) received(call.bytes)
    } else if (call.name === 'sendto') {
      if (call.edge === 'begin') sent(call.bytes)
    } else wrote(call)
  }
  return { checked, early }
}

function environmentOf(path: string): Environment | undefined {
  if (path.endsWith('/metadata.lmdb')) return 'metadata'
  return /\/segment-\d+\.lmdb$/.test(path) ? 'log' : undefined
}

/** The binary messages in what a socket took or gave at once. */
function* framesOf(bytes: Uint8Array): Iterable<ReturnType<typeof readFrame>> {
  const data = Buffer.from(bytes)
  for (let at = 0; at + 2 <= data.length; ) {
    const isBinary = data[at] === 0x82
    const isMasked = data[at + 1] >= 0x80
    let length = data[at + 1] & 0x7f
    let start = at + 2
    if (length === 126) {
      length = data.readUInt16BE(start)
      start += 2
    } else if (length === 127) {
      length = Number(data.readBigUInt64BE(start))
      start += 8
    }
    const mask = isMasked ? data.subarray(start, start + 4) : undefined
    if (mask) start += 4
    const payload = Buffer.from(data.subarray(start, start + length))
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i % 4]
    if (isBinary && payload.length === length) yield readFrame(payload)
    at = start + length
  }
}
