/**
 * Clients that come anew: each opens a connection (WebSocket, hello, authenticate), asks for one topic, and is served
 * when that is answered. Some at a time, each leaving when it is served, or all at once, staying until the last is
 * served.
 */
import hdr from 'hdr-histogram-js'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { timed } from './bulk.ts'
import { arriveLeanly, authentication, scriptFor } from './lean-newcomer.ts'
import type { Newcomers, NewcomersTask } from './tasks.ts'
import { describeTopic, openConnection } from './wire.ts'

const SERVED_US_MAX = 120_000_000

/** Rejects when one of them is not let in or may not see the topic. */
export async function newcomers(url: string, task: NewcomersTask): Promise<Newcomers> {
  const { connections, atOnce } = task
  const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: SERVED_US_MAX })
  const arrive = task.client === 'lean' ? leanly(url, task) : onSdk(url, task)
  const isStorm = atOnce >= connections
  const staying: (() => void)[] = []
  let next = 0

  const come = async (): Promise<void> => {
    for (let i = next++; i < connections; i = next++) {
      const startMs = performance.now()
      const leave = await arrive(i)
      histogram.recordValue(Math.min(Math.round((performance.now() - startMs) * 1000), SERVED_US_MAX))
      if (isStorm) staying.push(leave)
      else leave()
    }
  }

  const moved = await timed(connections, async () => {
    await Promise.all(Array.from({ length: Math.min(atOnce, connections) }, come))
  })
  for (const leave of staying) leave()
  return { ...moved, histogram: hdr.encodeIntoCompressedBase64(histogram) }
}

/** Newcomer number `i`: resolves with how it leaves. */
type Arrive = (i: number) => Promise<() => void>

function leanly(url: string, { tokens, topic }: NewcomersTask): Arrive {
  const script = scriptFor(url, topic)
  const credentials = tokens?.map(authentication)
  return (i) => arriveLeanly(script, credentials?.[i % credentials.length])
}

function onSdk(url: string, { tokens, topic }: NewcomersTask): Arrive {
  return async (i) => {
    const connection = await openConnection(url, tokens?.[i % tokens.length])
    const { error, message } = await describeTopic(connection, topic)
    if (error !== ErrorCode.NONE) throw new Error(`a newcomer may not see ${topic}: ${message}`)
    return () => connection.close()
  }
}
