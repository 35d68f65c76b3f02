/**
 * A small disk filled under load, again and again, half of the times by another process to the last byte: the
 * broker turns read-only in time, goes on serving and deleting, takes events again by itself, starts on a full disk,
 * and loses nothing it acknowledged.
 */

import t, { type Test } from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { batchOf, ProtocolClient } from '../broker/protocol-client.ts'
import { adminHeaders } from '../support/admin-key.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { requireTool } from '../support/tools.ts'

const isSoak = process.env.OCTOPUS_SOAK === '1'
/** In each the disk is filled twice: by another process and by the load itself. */
const rounds = isSoak ? 100 : 11
const MIB = 1024 * 1024
const SEGMENT = 16 * MIB
/** The smallest there is: 16 MiB are kept, at 48 no more events are taken, from 64 on they are again. */
const ARGUMENTS = [
  '--storage-segment-bytes',
  '16MiB',
  '--storage-free-bytes-min',
  '16MiB',
  '--retention-check-interval-ms',
  '100',
]
/** 64 MiB of metadata, the segment in use, the one ahead, what has to be free, and a little to fill. */
const DISK = (64 + 2 * 16 + 64 + 64) * MIB
const BATCH = 256 * 1024
const IN_FLIGHT = 4
const FULL =
  /^\S+\/data has \d[\d.]* (?:B|KiB|MiB) free, too little to take events: 64 MiB are needed; free some/
/** The same to whoever is no operator: where the data lies is not his to know. */
const TOLD = new RegExp(FULL.source.replace('^\\S+\\/data', '^data'))

/** What is stored under a number: told from every other, and expensive to make up from a wrong page. */
const textOf = (number: number) => `${number}:${String.fromCharCode(97 + (number % 26)).repeat(BATCH)}`

/** One topic that is produced to until the disk is full. */
class Load {
  readonly topicId: Uint8Array
  readonly acknowledged = new Map<number, number>()
  readonly refusals: string[] = []
  readonly #client: ProtocolClient

  constructor(client: ProtocolClient, topicId: Uint8Array) {
    this.#client = client
    this.topicId = topicId
  }

  /** Goes on until the broker refuses; every refusal has the one code. */
  async untilRefused(t: Test, nextNumber: () => number): Promise<void> {
    const isRefused = { yet: false }
    const sender = async () => {
      while (!isRefused.yet) {
        const number = nextNumber()
        const { error, message, baseOffset } = await this.#client.produce(
          this.topicId,
          0,
          batchOf([textOf(number)]),
        )
        if (error === ErrorCode.NONE) this.acknowledged.set(baseOffset, number)
        else {
          isRefused.yet = true
          this.refusals.push(message ?? '')
          if (error !== ErrorCode.STORAGE_FULL) t.fail(`refused with ${error}: ${message}`)
        }
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, sender))
  }

  /** What was acknowledged and is not where it was said to be. */
  async missing(client: ProtocolClient): Promise<number> {
    const missing = new Map(this.acknowledged)
    for (let at = 0; at >= 0; ) {
      const { records } = await client.fetch(this.topicId, 0, at)
      for (const { offset, value } of records) {
        const number = missing.get(offset)
        if (number !== undefined && value === textOf(number)) missing.delete(offset)
      }
      at = records.length > 0 ? (records.at(-1)?.offset ?? 0) + 1 : -1
    }
    return missing.size
  }
}

async function isReadOnly(t: Test, broker: BrokerProcess, client: ProtocolClient): Promise<void> {
  const status = await client.call(apis.status, {})
  t.match(status, { ready: true, storage: { state: 'read-only', stateReason: FULL, fullInMs: 0 } })
  t.match(status.warnings, [FULL])
  const ready = await fetch(`${broker.httpUrl}/readyz`, { headers: adminHeaders })
  t.same([ready.status, (await ready.text()).slice(0, 23)], [200, 'ready, but read-only: /'])
  const topics = [{ name: 'lab.new', partitions: 1, replicationFactor: -1, configs: [] }]
  const { topics: created } = await client.call(apis.createTopics, {
    topics,
    validateOnly: false,
    timeoutMs: 1_000,
  })
  t.match(created, [{ error: ErrorCode.STORAGE_FULL, message: TOLD }])
}

/** What stops somebody is written without a free byte; what gives him more is not. */
async function canStop(t: Test, client: ProtocolClient, round: number, keyId: string): Promise<void> {
  const write = async (effect: string) => {
    const rule = { principal: `user:eve-${round}`, resource: 'topic:lab.*', operations: ['write'] }
    const entry = { ...rule, effect, expiresAtMs: null, note: null }
    return (await client.call(apis.createAcls, { entries: [entry] })).entries[0]
  }
  t.match(await write('deny'), { error: 0, message: null }, 'a right can be denied')
  t.match(await client.call(apis.rotateKey, { keyId, overlapMs: 0 }), { keyId }, 'a key gets another secret')
  t.match(await write('allow'), { error: ErrorCode.STORAGE_FULL, message: /^metadata\.lmdb needs \d+ bytes/ })
  t.match((await client.call(apis.revokeKeys, { keyIds: [keyId] })).keys, [{ error: 0 }])
}

async function deleted(client: ProtocolClient, topicId: Uint8Array) {
  const { topics } = await client.call(apis.deleteTopics, {
    topics: [{ name: null, topicId }],
    timeoutMs: 5_000,
  })
  return topics[0]
}

async function altered(client: ProtocolClient, name: string) {
  const configs = [{ name: 'retention.ms', value: '86400000' }]
  const { topics } = await client.call(apis.alterTopics, {
    topics: [{ name, partitions: null, configs }],
    validateOnly: false,
    timeoutMs: 5_000,
  })
  return topics[0]
}

async function untilState(client: ProtocolClient, isWanted: (state: string) => boolean): Promise<void> {
  while (!isWanted((await client.call(apis.status, {})).storage.state))
    await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test(`a disk filled ${2 * rounds} times`, { skip: requireTool('tmpfs') }, async (t) => {
  const disk = await SmallDisk.mount(DISK)
  t.teardown(() => disk.unmount())
  const broker = await BrokerProcess.start(ARGUMENTS, { parent: disk.path })
  t.teardown(() => broker.destroy())
  let client = await ProtocolClient.connect(broker.url)
  let number = 0
  const nextNumber = () => number++
  let acknowledged = 0

  for (const round of roundsOf(t, rounds)) {
    const idle = await client.createTopic(`lab.idle-${round}`, 1)
    const name = `lab.load-${round}`
    const key = { principal: 'eve', name: 'k', groups: [], roles: [], expiresAtMs: null, scope: null }
    const { keyId } = await client.call(apis.createKey, key)
    const load = new Load(client, await client.createTopic(name, 1))
    t.comment(`round ${round}: ${(disk.freeBytes / MIB).toFixed()} MiB free`)

    const filling = load.untilRefused(t, nextNumber)
    await disk.fill()
    await filling
    // The broker had something to give back.
    while (disk.freeBytes > 0) await disk.fill()
    await untilState(client, (state) => state === 'read-only')
    await isReadOnly(t, broker, client)
    await canStop(t, client, round, keyId)
    t.match(await altered(client, name), { error: 0 }, 'a topic can keep less without a free byte')
    t.match(await deleted(client, idle), { error: 0, message: null }, 'and another one can go')
    if (round % 4 === 1) {
      await client.close()
      await broker.end(round % 8 === 1 ? 'SIGKILL' : 'SIGTERM')
      await broker.restart()
      client = await ProtocolClient.connect(broker.url)
      // What it had prepared is given back, and prepared again.
      while (disk.freeBytes > 0) await disk.fill()
      await untilState(client, (state) => state === 'read-only')
      await isReadOnly(t, broker, client)
      t.equal(await load.missing(client), 0, `all of ${load.acknowledged.size} acknowledged events are there`)
    }
    await disk.empty()
    await untilState(client, (state) => state !== 'read-only')

    const again = new Load(client, load.topicId)
    // What is left of the round before may go only now, and then there is room again.
    do await again.untilRefused(t, nextNumber)
    while ((await client.call(apis.status, {})).storage.state !== 'read-only')
    for (const [offset, value] of again.acknowledged) load.acknowledged.set(offset, value)
    t.ok(disk.freeBytes > SEGMENT, 'the load alone never comes near the end')
    t.equal(await load.missing(client), 0, `all of ${load.acknowledged.size} acknowledged events are there`)
    t.match(
      [...load.refusals, ...again.refusals],
      new Array(load.refusals.length + again.refusals.length).fill(TOLD),
    )
    acknowledged += load.acknowledged.size
    t.match(await deleted(client, load.topicId), { error: 0 })
    await untilState(client, (state) => state !== 'read-only')
  }
  t.comment(`${acknowledged} events acknowledged`)
  await client.close()
  t.equal(await broker.end('SIGTERM'), 0, 'it never aborted')
})
