/**
 * What access control costs and how fast it is: CPU time of producing with many rules, the time until live connections
 * feel a change, and how many newcomers a broker takes, by kind of credential and as a storm.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import hdr from 'hdr-histogram-js'
import { ask } from '../brokers/ask.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { NewcomersTask, RightsTimes } from '../load/tasks.ts'
import { probeProcessor, probeSmallSync } from '../machine/probes.ts'
import { exactCpuSeconds, MemoryWatch, openFilesMax } from '../machine/process-statistics.ts'
import { type CheckCost, measureCheckCost } from './check-cost.ts'
import { AUDIENCE, startOpenIdProvider } from './openid-provider.ts'
import {
  CLOSED,
  eachOf,
  entriesOf,
  type KeyHolder,
  type Member,
  makeKeys,
  makeTokens,
  membersOf,
  putEntries,
  SHARED,
} from './population.ts'
import { measureProduceCost, PRODUCED_TOPIC, type ProduceLoad, type ProduceRound } from './produce-cost.ts'

export interface AccessOptions {
  /** A multiple of 20; ten entries for each. */
  readonly principals: number
  readonly produceRounds: number
  readonly produceWarmupRounds: number
  /** Of one turn. */
  readonly bulkEvents: number
  readonly singleEvents: number
  readonly valueBytes: number
  readonly partitions: number
  /** Of one sample of the check by itself. */
  readonly checks: number
  readonly liveConnections: number
  readonly rightsRounds: number
  /** How often so many entries about everybody come and go in one request. */
  readonly bulkRounds: number
  readonly bulkEntries: number
  readonly newcomerRounds: number
  /** Newcomers that come and go in one round. */
  readonly newcomers: number
  readonly newcomersAtOnce: number
  /** Newcomers on the SDK, to show what that spends itself. */
  readonly sdkNewcomers: number
  /** Newcomers of a storm, all at once. */
  readonly storm: number
  readonly smallSyncs: number
  readonly processorProbes: number
  readonly seed: number
}

/** What newcomers show; `none`: they are anonymous. */
export const credentialKinds = ['none', 'key', 'eddsa', 'es256'] as const
export type CredentialKind = (typeof credentialKinds)[number]

export interface Arrival {
  readonly connections: number
  readonly seconds: number
  readonly brokerCpuSeconds: number | null
  readonly generatorCpuSeconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface AccessRun {
  readonly entries: number
  readonly bulk: readonly ProduceRound[]
  readonly single: readonly ProduceRound[]
  readonly check: CheckCost
  readonly rights: RightsTimes
  /** By kind, one for each round. */
  readonly steady: Readonly<Record<CredentialKind, readonly Arrival[]>>
  readonly storms: Readonly<Record<CredentialKind, readonly Arrival[]>>
  /** With API keys, on the SDK. */
  readonly sdk: Arrival
  readonly anonymousRssBytesMax: number | null
  /** Between the parts. */
  readonly fdatasyncP50Ms: readonly number[]
  readonly processorMegabytesPerSecond: readonly number[]
}

const SINGLE_VALUE_BYTES = 1000
/** The smallest there is: one such event fills it. */
const SINGLE_BATCH_BYTES = 1024
/** Beside its connections a process has a few files open. */
const OTHER_FILES = 500
const LIVE_TOPIC = `${SHARED}.live`
const CHANGED_TOPIC = `${CLOSED}.changed`

export async function runAccess(
  directory: string,
  options: AccessOptions,
  progress: Progress,
): Promise<AccessRun> {
  requireFiles(options.storm + OTHER_FILES)
  return new AccessBench(directory, options, progress).run()
}

/** Broker and generator hold the connections of a storm all at the same time. */
function requireFiles(needed: number): void {
  const limit = openFilesMax()
  if (limit !== undefined && limit < needed)
    throw new Error(
      `a process may have ${limit} files open and the storm needs ${needed}: raise the limit (ulimit -n ${needed}) or choose a smaller --storm`,
    )
}

class AccessBench {
  readonly #directory: string
  readonly #options: AccessOptions
  readonly #progress: Progress
  readonly #members: readonly Member[]
  readonly #fdatasyncP50Ms: number[] = []
  readonly #processorMegabytesPerSecond: number[] = []

  constructor(directory: string, options: AccessOptions, progress: Progress) {
    this.#directory = directory
    this.#options = options
    this.#progress = progress
    this.#members = membersOf(options.principals)
  }

  async run(): Promise<AccessRun> {
    const { checks, principals } = this.#options
    const entries = entriesOf(this.#members)
    await this.#probe()
    const [bulk, single] = await this.#produceCost()
    await this.#probe()
    this.#progress.step(`one check among ${entries.length} entries, by itself`)
    const check = measureCheckCost(entries, this.#members[0], PRODUCED_TOPIC, checks)
    const provider = await startOpenIdProvider()
    try {
      this.#progress.step(`making ${principals} keys and tokens of both kinds`)
      const es256 = await eachOf(this.#members, (member) => provider.tokenFor(member))
      const config = join(this.#directory, 'octopus.json')
      const issuer = { issuer: provider.issuer, audience: AUDIENCE, algorithms: ['ES256'] }
      const auth = { anonymous: 'on', issuers: [issuer], aclEntriesPerNamespaceMax: 2 * entries.length + 100 }
      await writeFile(config, JSON.stringify({ auth }))
      const settings = { config }
      const lively = await withBroker(
        { data: join(this.#directory, 'durable'), settings },
        (broker, newLoad) => this.#lively(broker, newLoad(), es256),
      )
      const processor = this.#processorMegabytesPerSecond
      const probes = { fdatasyncP50Ms: this.#fdatasyncP50Ms, processorMegabytesPerSecond: processor }
      return { entries: entries.length, bulk, single, check, ...lively, ...probes }
    } finally {
      provider.close()
    }
  }

  async #probe(): Promise<void> {
    const { smallSyncs, processorProbes } = this.#options
    this.#progress.step('probing disk and processor')
    this.#fdatasyncP50Ms.push(await probeSmallSync(this.#directory, smallSyncs))
    this.#processorMegabytesPerSecond.push(await probeProcessor(processorProbes))
  }

  #produceCost(): Promise<ProduceRound[][]> {
    const { produceRounds, produceWarmupRounds, partitions, seed, bulkEvents, singleEvents, valueBytes } =
      this.#options
    const loads: ProduceLoad[] = [
      { name: 'full batches', events: bulkEvents, valueBytes },
      {
        name: 'an event a batch',
        events: singleEvents,
        valueBytes: SINGLE_VALUE_BYTES,
        batchBytes: SINGLE_BATCH_BYTES,
      },
    ]
    const rounds = { rounds: produceRounds, warmupRounds: produceWarmupRounds }
    const sizes = { members: this.#members, ...rounds, partitions, seed, loads }
    const plan = { data: join(this.#directory, 'discarding'), kind: 'discarding' } as const
    return withBroker(plan, (broker, newLoad) => measureProduceCost(broker, newLoad(), sizes, this.#progress))
  }

  /** All that is about connections, on a broker with all the rules. */
  async #lively(broker: BrokerProcess, load: LoadProcess, es256: readonly string[]) {
    const { liveConnections, rightsRounds, newcomerRounds, bulkRounds, bulkEntries } = this.#options
    const { keys, eddsa, live } = await this.#populate(broker)
    const memory = new MemoryWatch(broker.pid)
    this.#progress.step(`rights of ${liveConnections} live connections, ${rightsRounds} rounds`)
    const clients = live.map(({ token, principal, keyId }) => ({
      token,
      principal: `user:${principal}`,
      keyId,
    }))
    const topics = { liveTopic: LIVE_TOPIC, changedTopic: CHANGED_TOPIC }
    const bulk = { bulkRounds, bulkEntries }
    const task = { kind: 'rights', clients, rounds: rightsRounds, ...topics, ...bulk } as const
    const rights = await load.run(broker.url, task)
    await this.#probe()

    const tokens = { none: null, key: keys.map(({ token }) => token), eddsa, es256 }
    const arrive = (kind: CredentialKind, connections: number, atOnce: number, client?: 'sdk') =>
      this.#arrive(broker, load, { client: client ?? 'lean', tokens: tokens[kind], connections, atOnce })
    const { newcomers, newcomersAtOnce, sdkNewcomers, storm } = this.#options
    const steady: Record<CredentialKind, Arrival[]> = { none: [], key: [], eddsa: [], es256: [] }
    const storms: Record<CredentialKind, Arrival[]> = { none: [], key: [], eddsa: [], es256: [] }
    this.#progress.step('newcomers: warming up')
    for (const kind of credentialKinds) await arrive(kind, newcomers, newcomersAtOnce)
    for (let round = 1; round <= newcomerRounds; round++) {
      for (const kind of credentialKinds) {
        this.#progress.step(`round ${round} of ${newcomerRounds}: newcomers that show ${shown[kind]}`)
        steady[kind].push(await arrive(kind, newcomers, newcomersAtOnce))
        this.#progress.step(
          `round ${round} of ${newcomerRounds}: a storm of ${storm} that show ${shown[kind]}`,
        )
        storms[kind].push(await arrive(kind, storm, storm))
      }
      await this.#probe()
    }
    this.#progress.step(`${sdkNewcomers} newcomers on the SDK`)
    const sdk = await arrive('key', sdkNewcomers, newcomersAtOnce, 'sdk')
    return { rights, steady, storms, sdk, anonymousRssBytesMax: memory.stop() ?? null }
  }

  #populate(broker: BrokerProcess) {
    return ask(broker, async (client) => {
      const admin = client.admin()
      for (const topic of [LIVE_TOPIC, CHANGED_TOPIC]) await admin.createTopic(topic, { partitions: 2 })
      await putEntries(admin, [
        ...entriesOf(this.#members),
        { principal: 'authenticated', resource: `topic:${CHANGED_TOPIC}`, operations: ['describe'] },
        { principal: 'anonymous', resource: `topic:${LIVE_TOPIC}`, operations: ['describe'] },
      ])
      const keys: KeyHolder[] = await makeKeys(admin, this.#members)
      const eddsa = await makeTokens(admin, this.#members)
      const { liveConnections } = this.#options
      const live = await makeKeys(admin, this.#members.slice(0, liveConnections))
      return { keys, eddsa, live }
    })
  }

  async #arrive(
    broker: BrokerProcess,
    load: LoadProcess,
    task: Omit<NewcomersTask, 'kind' | 'topic'>,
  ): Promise<Arrival> {
    const before = exactCpuSeconds(broker.pid)
    const arrived = await load.run(broker.url, { ...task, kind: 'newcomers', topic: LIVE_TOPIC })
    const after = exactCpuSeconds(broker.pid)
    const histogram = hdr.decodeFromCompressedBase64(arrived.histogram) as hdr.Histogram
    return {
      connections: task.connections,
      seconds: arrived.seconds,
      brokerCpuSeconds: before === undefined || after === undefined ? null : after - before,
      generatorCpuSeconds: arrived.cpuSeconds,
      p50Ms: histogram.getValueAtPercentile(50) / 1000,
      p99Ms: histogram.getValueAtPercentile(99) / 1000,
    }
  }
}

const shown: Readonly<Record<CredentialKind, string>> = {
  none: 'nothing',
  key: 'API keys',
  eddsa: 'EdDSA tokens of the broker',
  es256: 'ES256 tokens of a provider',
}
