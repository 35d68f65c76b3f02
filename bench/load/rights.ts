/**
 * How soon live connections feel that a right was given or taken away: many are open and wait for events, an
 * administrator gives one of them the right to a topic and takes it away again, or revokes its key, and that one
 * finds out by producing and by a fetch that is parked.
 *
 * Time counts from the moment the administrator has its answer to the end of the first answer that shows the change; it
 * is 0 where that came before.
 */

import type { Connection } from '../../client/connection.ts'
import type { connect } from '../../client/index.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { RightsTask, RightsTimes } from './tasks.ts'
import { describeTopic, openConnection, parkFetch, produceBatch, singleEvent } from './wire.ts'

type Client = Awaited<ReturnType<typeof connect>>

const OPENED_AT_ONCE = 50
/** A change that is not felt for so long fails the run. */
const FELT_MS_MAX = 30_000
/** Where the parked fetch waits, so that what is produced does not wake it. */
const PRODUCED_PARTITION = 0
const PARKED_PARTITION = 1

export async function changeRights(url: string, admin: Client, task: RightsTask): Promise<RightsTimes> {
  const live = await openAll(url, task)
  return new Rights(admin.admin(), task, live).run()
}

interface Live {
  readonly connection: Connection
  readonly principal: string
  readonly keyId: string
}

class Rights {
  readonly #admin: ReturnType<Client['admin']>
  readonly #task: RightsTask
  readonly #live: readonly Live[]
  readonly #batch = singleEvent()
  #isEnded = false
  readonly #times = {
    roundTripMs: [] as number[],
    changeMs: [] as number[],
    grantMs: [] as number[],
    revokeMs: [] as number[],
    parkedMs: [] as number[],
    keyMs: [] as number[],
    keyParkedMs: [] as number[],
    bulkChangeMs: [] as number[],
    bulkGrantMs: [] as number[],
    bulkRevokeMs: [] as number[],
    bulkParkedMs: [] as number[],
    bulkRoundTripMaxMs: [] as number[],
  }

  constructor(admin: ReturnType<Client['admin']>, task: RightsTask, live: readonly Live[]) {
    this.#admin = admin
    this.#task = task
    this.#live = live
  }

  async run(): Promise<RightsTimes> {
    const { liveTopic } = this.#task
    const topicId = await this.#idOf(liveTopic)
    const waiting = this.#live.map(({ connection }) => this.#wait(connection, topicId))
    await Promise.all([this.#rounds(topicId).finally(() => this.#end()), ...waiting])
    return this.#times
  }

  async #rounds(liveTopicId: Uint8Array): Promise<void> {
    const { rounds, changedTopic, bulkRounds } = this.#task
    const topicId = await this.#idOf(changedTopic)
    for (let round = 0; round < bulkRounds; round++) await this.#bulk(topicId)
    for (const live of this.#live.slice(0, rounds)) await this.#grantAndRevoke(live, topicId)
    // Whose key goes is gone for good.
    for (const live of this.#live.slice(-rounds)) await this.#revokeKey(live, liveTopicId)
  }

  #end(): void {
    this.#isEnded = true
    for (const { connection } of this.#live) connection.close()
  }

  async #idOf(topic: string): Promise<Uint8Array> {
    const { topicId, message } = await describeTopic(this.#live[0].connection, topic)
    if (!topicId) throw new Error(`a live client may not see ${topic}: ${message}`)
    return topicId
  }

  async #grantAndRevoke(live: Live, topicId: Uint8Array): Promise<void> {
    const { connection, principal } = live
    const { changedTopic } = this.#task
    const produce = () => produceBatch(connection, topicId, PRODUCED_PARTITION, this.#batch)
    requireRefused(await produce())
    const entry = { principal, resource: `topic:${changedTopic}`, operations: ['read', 'write'] }
    const [id] = await this.#changed(() => this.#admin.createAcls([entry]))
    this.#times.grantMs.push(await msUntil(async () => (await produce()).error === ErrorCode.NONE))
    const startMs = performance.now()
    await produce()
    this.#times.roundTripMs.push(performance.now() - startMs)

    const fetch = parkFetch(connection, topicId, PARKED_PARTITION, 0)
    const parkedEndMs = fetch.then((answer) => {
      requireRefused(answer)
      return performance.now()
    })
    // A fetch is parked when the broker has answered what was sent after it.
    await produce()
    await this.#changed(() => this.#admin.deleteAcls([id]))
    const answeredMs = performance.now()
    this.#times.revokeMs.push(await msUntil(async () => isRefused(await produce())))
    this.#times.parkedMs.push(Math.max(0, (await parkedEndMs) - answeredMs))
  }

  /** One request with many rules about everybody, as an owner may write, and one that takes all of them away. */
  async #bulk(topicId: Uint8Array): Promise<void> {
    const { changedTopic, bulkEntries } = this.#task
    const [{ connection }, { connection: other }] = this.#live
    const produce = () => produceBatch(connection, topicId, PRODUCED_PARTITION, this.#batch)
    requireRefused(await produce())
    const about = { principal: 'authenticated', operations: ['read', 'write'] }
    const entries = Array.from({ length: bulkEntries }, (_, i) => ({
      ...about,
      resource: `topic:${changedTopic}${i === bulkEntries - 1 ? '' : `-${i}`}`,
    }))
    const ids = await this.#changedInBulk(other, () => this.#admin.createAcls(entries))
    this.#times.bulkGrantMs.push(await msUntil(async () => (await produce()).error === ErrorCode.NONE))
    const parked = this.#live.map(async (live) => {
      requireRefused(await parkFetch(live.connection, topicId, PARKED_PARTITION, 0))
      return performance.now()
    })
    // All of them are parked when each broker's end has answered what was sent after.
    await Promise.all(this.#live.map((live) => describeTopic(live.connection, changedTopic)))
    await this.#changedInBulk(other, () => this.#admin.deleteAcls(ids))
    const answeredMs = performance.now()
    this.#times.bulkRevokeMs.push(await msUntil(async () => isRefused(await produce())))
    this.#times.bulkParkedMs.push(Math.max(0, Math.max(...(await Promise.all(parked))) - answeredMs))
  }

  /** With somebody else asking all the time. */
  async #changedInBulk<T>(other: Connection, change: () => Promise<T>): Promise<T> {
    let isOver = false
    const asking = (async () => {
      let longestMs = 0
      while (!isOver) {
        const startMs = performance.now()
        await describeTopic(other, this.#task.liveTopic)
        longestMs = Math.max(longestMs, performance.now() - startMs)
      }
      this.#times.bulkRoundTripMaxMs.push(longestMs)
    })()
    const startMs = performance.now()
    const result = await change().finally(() => {
      isOver = true
    })
    this.#times.bulkChangeMs.push(performance.now() - startMs)
    await asking
    return result
  }

  /** The fetch that waits all the time is the one that is parked. */
  async #revokeKey({ connection, keyId }: Live, topicId: Uint8Array): Promise<void> {
    const fetch = parkFetch(connection, topicId, PARKED_PARTITION, 0)
    const parkedEndMs = fetch.then(
      () => Promise.reject(new Error('a fetch went on after its key was revoked')),
      (error: unknown) => {
        requireExpired(error)
        return performance.now()
      },
    )
    await describeTopic(connection, this.#task.liveTopic)
    await this.#changed(() => this.#admin.revokeKeys([keyId]))
    const answeredMs = performance.now()
    const isOut = async () => {
      try {
        await describeTopic(connection, this.#task.liveTopic)
        return false
      } catch (error) {
        requireExpired(error)
        return true
      }
    }
    this.#times.keyMs.push(await msUntil(isOut))
    this.#times.keyParkedMs.push(Math.max(0, (await parkedEndMs) - answeredMs))
  }

  /** As consumers do: one fetch after the other, until the end or until it is thrown out. */
  async #wait(connection: Connection, topicId: Uint8Array): Promise<void> {
    while (!this.#isEnded) {
      try {
        await parkFetch(connection, topicId, PRODUCED_PARTITION, 0)
      } catch (error) {
        if (!this.#isEnded) requireExpired(error)
        return
      }
    }
  }

  async #changed<T>(change: () => Promise<T>): Promise<T> {
    const startMs = performance.now()
    const result = await change()
    this.#times.changeMs.push(performance.now() - startMs)
    return result
  }
}

function requireRefused(answer: { readonly error: number; readonly message: string | null }): void {
  if (!isRefused(answer))
    throw new Error(`what is not allowed was answered with ${answer.error}: ${answer.message}`)
}

function isRefused({ error }: { readonly error: number }): boolean {
  return error === ErrorCode.TOPIC_AUTHORIZATION_FAILED
}

function requireExpired(error: unknown): void {
  if (!(error instanceof ProtocolError) || error.code !== ErrorCode.CREDENTIAL_EXPIRED) throw error
}

/** From now to the end of the first answer that is as it should be. */
async function msUntil(isFelt: () => Promise<boolean>): Promise<number> {
  const startMs = performance.now()
  while (!(await isFelt()))
    if (performance.now() - startMs > FELT_MS_MAX) throw new Error(`nothing has changed in ${FELT_MS_MAX} ms`)
  return performance.now() - startMs
}

async function openAll(url: string, { clients }: RightsTask): Promise<Live[]> {
  const live: Live[] = []
  while (live.length < clients.length) {
    const few = clients.slice(live.length, live.length + OPENED_AT_ONCE)
    live.push(
      ...(await Promise.all(
        few.map(async ({ token, principal, keyId }) => ({
          connection: await openConnection(url, token),
          principal,
          keyId,
        })),
      )),
    )
  }
  return live
}
