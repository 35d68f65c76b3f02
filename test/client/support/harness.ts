/** A world with a broker and a connected client in it, and the few things that every test does. */

import { OctopusClient } from '../../../client/client.ts'
import { nodePorts } from '../../../client/node/node-ports.ts'
import type { ClientOptions } from '../../../client/options.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { FakeBroker } from './fake-broker.ts'
import { EPOCH_MS, World } from './world.ts'

export interface Harness {
  readonly world: World
  readonly broker: FakeBroker
  readonly client: OctopusClient
}

/** Connected, with a topic `t` of so many partitions. */
export async function connected(partitions = 1, options: ClientOptions = {}, seed = 1): Promise<Harness> {
  const world = new World(seed)
  const broker = new FakeBroker(world)
  broker.createTopic('t', partitions)
  const client = await world.until(OctopusClient.open(options, broker.ports))
  return { world, broker, client }
}

/** A batch of text values, as a producer would have built it. */
export function batchOf(values: readonly string[], timestampMs = EPOCH_MS): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: nodePorts.crc32c, bytesMax: 1024 * 1024 })
  for (const value of values) encoder.append(timestampMs, null, value)
  return encoder.finish()
}

/** `['a0', 'a1', …]` */
export function numbered(prefix: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${from + i}`)
}

/** What a promise that rejects is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: number }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** A batch of records with times of their own. */
export function timedBatch(
  records: readonly { readonly text: string; readonly timestampMs: number }[],
): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: nodePorts.crc32c, bytesMax: 1024 * 1024 })
  for (const { text, timestampMs } of records) encoder.append(timestampMs, null, text)
  return encoder.finish()
}
