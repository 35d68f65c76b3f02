/**
 * The names of producers: who asks for a name gets its id and the next epoch, and whoever had it before is
 * fenced. One compare-and-set transaction each, so that of two who ask at once each gets an epoch of its
 * own and the newer one counts. (Nodes that share metadata would have to follow its keys as well, to fence what
 * another one gave away.)
 *
 * What is answered is durable, and fences from that moment on: the log asks `standingOf` for every batch
 * as it gives out its offset, and what had its offset before is durable by then, so that the newcomer sees
 * all that its predecessor did. For a name only its present epoch is good, older and newer ones are not, so
 * epochs may begin at 0 again after the last: the id and the sequences of the name go on, and nobody is
 * locked out.
 *
 * Names are bounded. One that was not asked for in `expirationMs` and of whose id no partition knows
 * anything goes when a new one wants its place; its id is never given again.
 */

import { parseQualifiedName, quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { NAME_EXPIRED, NAMELESS } from '../../storage/log/sequence-check.ts'
import type { MetadataEntry, MetadataStore } from '../../storage/metadata-store.ts'
import type { Clock } from '../ports.ts'
import { hasName, type ProducerIds } from './producer-ids.ts'
import {
  decodeProducerRecord,
  encodeProducerRecord,
  PRODUCER_EPOCH_MAX,
  PRODUCER_KEY_PREFIX,
  type ProducerRecord,
  producerKey,
  producerNameOfKey,
} from './producer-record.ts'

export interface ProducerRegistryOptions {
  readonly store: MetadataStore
  readonly ids: ProducerIds
  readonly clock: Clock
  readonly namesMax: number
  readonly expirationMs: number
}

/** The part of the log the registry needs. */
export interface ProducerStateSource {
  /** Resolves when everything that has its offset by now is durable. */
  placed(): Promise<void>
  /** Ids of which any partition knows something, once everything that has its offset by now is durable. */
  knownProducers(): Promise<ReadonlySet<number>>
}

export interface GivenProducer {
  readonly producerId: number
  readonly producerEpoch: number
}

/** Only other nodes compete for a name once its callers here wait for each other. */
const ATTEMPTS_MAX = 10
/** Time between two looks for names that have expired. */
const EXPIRY_CHECK_MS = 60_000

interface Named extends ProducerRecord {
  readonly revision: number
}

export class ProducerRegistry {
  readonly #options: ProducerRegistryOptions
  readonly #names = new Map<string, Named>()
  /** Present epoch by id: what the hot path reads. */
  readonly #epochs = new Map<number, number>()
  readonly #nameById = new Map<number, string>()
  /** Per name the last of those who wait for their turn. */
  readonly #turns = new Map<string, Promise<unknown>>()
  /** New names on their way into metadata. */
  #arriving = 0
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #checking: Promise<void> | undefined
  #states: ProducerStateSource | undefined

  private constructor(options: ProducerRegistryOptions) {
    this.#options = options
  }

  /** Reads every name. Rejects where metadata cannot be understood: an id given twice would lose data. */
  static async open(options: ProducerRegistryOptions): Promise<ProducerRegistry> {
    const registry = new ProducerRegistry(options)
    const { entries } = await options.store.list(PRODUCER_KEY_PREFIX)
    for (const entry of entries)
      registry.#learn(producerNameOfKey(entry.key), decodeProducerRecord(entry), entry.modRevision)
    return registry
  }

  /** The log is opened after the registry, which it asks; names expire from then on. */
  watchesOver(states: ProducerStateSource): void {
    this.#states = states
  }

  get nameCount(): number {
    return this.#names.size
  }

  /** Undefined: no producer has the id, or one without a name. */
  nameOf(producerId: number): string | undefined {
    return this.#nameById.get(producerId)
  }

  /** The one good epoch of an id that has a name; {@link NAMELESS}, or {@link NAME_EXPIRED}. */
  standingOf(producerId: number): number {
    return hasName(producerId) ? (this.#epochs.get(producerId) ?? NAME_EXPIRED) : NAMELESS
  }

  /**
   * The id of the name and an epoch newer than every other. With `held`, what a producer was given before, only
   * if nobody has claimed the name since: one that has been replaced without knowing must not take it back.
   *
   * Rejects with ProtocolError: INVALID_REQUEST for what is no name, INVALID_PRODUCER_EPOCH when `held` is out of
   * date, POLICY_VIOLATION when there are too many names, REQUEST_TIMED_OUT; or with StorageError.
   */
  async claim(name: string, held?: GivenProducer): Promise<GivenProducer> {
    const parsed = parseQualifiedName(name)
    if ('problem' in parsed)
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, `producer name ${quoteName(name)} ${parsed.problem}`)
    if (!this.#names.has(name)) await this.#expire()
    const given = await this.#inTurn(name, () => this.#claim(name, held))
    await this.#states?.placed()
    return given
  }

  /**
   * The next epoch of an id without a name, which is the owner's. Batches of those before are refused from then on,
   * and what had its offset is durable.
   */
  async renew({ producerId, producerEpoch }: GivenProducer, owner: string): Promise<GivenProducer> {
    const { ids } = this.#options
    const isLast = producerEpoch === PRODUCER_EPOCH_MAX
    ids.owners.raise(producerId, producerEpoch + 1)
    // After the last epoch there is no next one that the partitions could tell from an old one.
    const given = isLast
      ? { producerId: await ids.giveNameless(owner), producerEpoch: 0 }
      : { producerId, producerEpoch: producerEpoch + 1 }
    await this.#states?.placed()
    return given
  }

  async #claim(name: string, held: GivenProducer | undefined): Promise<GivenProducer> {
    const { store, clock } = this.#options
    const key = producerKey(name)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const entry = await store.get(key)
      const known = entry && decodeProducerRecord(entry)
      // The answer to this very claim was lost: giving another epoch would make no difference.
      if (known && held && isRenewed(known, held)) return givenOf(known)
      if (known && held && !isPresent(known, held)) throw fenced(name, known, held)
      const record = known ? nextEpoch(known, held?.producerEpoch, clock.nowMs()) : await this.#newcomer(name)
      const compare = { key, modRevision: entry?.modRevision ?? 0 }
      if (entry ? await this.#put(name, compare, record) : await this.#arrive(name, compare, record))
        return givenOf(record)
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `producer name ${quoteName(name)} was claimed elsewhere ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }

  async #newcomer(name: string): Promise<ProducerRecord> {
    this.#checkRoom(name)
    const producerId = await this.#options.ids.giveNamed()
    return { producerId, producerEpoch: 0, lastUsedMs: this.#options.clock.nowMs() }
  }

  #checkRoom(name: string): void {
    const { namesMax, expirationMs } = this.#options
    if (this.#names.size + this.#arriving >= namesMax)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `there is no room for producer name ${quoteName(name)}: ${namesMax} names are in use (producers.namesMax), and one is free only when unused for ${expirationMs} ms`,
      )
  }

  /** Holds the place of the new name while it is being written. */
  async #arrive(name: string, compare: MetadataCompare, record: ProducerRecord): Promise<boolean> {
    // Others may have come while the id was being had.
    this.#checkRoom(name)
    this.#arriving++
    try {
      return await this.#put(name, compare, record)
    } finally {
      this.#arriving--
    }
  }

  async #put(name: string, compare: MetadataCompare, record: ProducerRecord): Promise<boolean> {
    const { key } = compare
    const put = { kind: 'put', key, value: encodeProducerRecord(record) } as const
    const { committed, revision } = await this.#options.store.transact([compare], [put])
    if (committed) this.#learn(name, record, revision)
    return committed
  }

  #learn(name: string, record: ProducerRecord, revision: number): void {
    const known = this.#names.get(name)
    if (known && known.revision > revision) return
    this.#names.set(name, { ...record, revision })
    this.#epochs.set(record.producerId, record.producerEpoch)
    this.#nameById.set(record.producerId, name)
  }

  /** Callers for one name wait for each other: two of them would only make each other try again. */
  #inTurn<T>(name: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve()
    const turn = before.then(run, run)
    this.#turns.set(name, turn)
    const forget = () => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name)
    }
    turn.then(forget, forget)
    return turn
  }

  /** Lets names go whose time is over; looks again only after a while, or at once when there is no room. */
  #expire(): Promise<void> {
    const { clock, namesMax } = this.#options
    const nowMs = clock.nowMs()
    const isFull = this.#names.size + this.#arriving >= namesMax
    if (!isFull && Math.abs(nowMs - this.#checkedAtMs) < EXPIRY_CHECK_MS) return Promise.resolve()
    this.#checkedAtMs = nowMs
    this.#checking ??= this.#expireUnused(nowMs).finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #expireUnused(nowMs: number): Promise<void> {
    const oldestMs = nowMs - this.#options.expirationMs
    const unused = [...this.#names].filter(([, { lastUsedMs }]) => lastUsedMs < oldestMs)
    if (unused.length === 0 || !this.#states) return
    const known = await this.#states.knownProducers()
    await Promise.all(
      unused
        .filter(([, { producerId }]) => !known.has(producerId))
        .map(([name, seen]) => this.#inTurn(name, () => this.#forget(name, seen))),
    )
  }

  /**
   * Refuses its batches first and looks at the partitions then: what a producer that slept for so long has
   * just sent is either refused or keeps the name.
   */
  async #forget(name: string, seen: Named): Promise<void> {
    if (this.#names.get(name) !== seen || !this.#states) return
    this.#epochs.delete(seen.producerId)
    let isGone = false
    try {
      const known = await this.#states.knownProducers()
      if (!known.has(seen.producerId)) isGone = await this.#delete(name, seen.revision)
    } finally {
      if (!isGone) this.#epochs.set(seen.producerId, seen.producerEpoch)
    }
    if (!isGone) return
    this.#names.delete(name)
    this.#nameById.delete(seen.producerId)
  }

  async #delete(name: string, modRevision: number): Promise<boolean> {
    const key = producerKey(name)
    const { committed } = await this.#options.store.transact(
      [{ key, modRevision }],
      [{ kind: 'delete', key }],
    )
    return committed
  }
}

type MetadataCompare = Pick<MetadataEntry, 'key' | 'modRevision'>

function givenOf({ producerId, producerEpoch }: ProducerRecord): GivenProducer {
  return { producerId, producerEpoch }
}

function isPresent(known: ProducerRecord, held: GivenProducer): boolean {
  return known.producerId === held.producerId && known.producerEpoch === held.producerEpoch
}

function isRenewed(known: ProducerRecord, held: GivenProducer): boolean {
  return known.producerId === held.producerId && known.renewedEpoch === held.producerEpoch
}

function fenced(name: string, known: ProducerRecord, held: GivenProducer): ProtocolError {
  return new ProtocolError(
    ErrorCode.INVALID_PRODUCER_EPOCH,
    `producer name ${quoteName(name)} was claimed by another producer: its epoch is ${known.producerEpoch} of ` +
      `producer ${known.producerId}, not ${held.producerEpoch} of producer ${held.producerId}`,
  )
}

function nextEpoch(
  { producerId, producerEpoch }: ProducerRecord,
  renewedEpoch: number | undefined,
  nowMs: number,
): ProducerRecord {
  return {
    producerId,
    producerEpoch: producerEpoch === PRODUCER_EPOCH_MAX ? 0 : producerEpoch + 1,
    lastUsedMs: nowMs,
    renewedEpoch,
  }
}
