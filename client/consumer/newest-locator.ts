/**
 * Finds where the newest records begin, for the cursors that wait for them: those that share one wish together. It pins
 * the ends, then reads back from them no further than it must (`newest-choice.ts`) and keeps only places and times.
 *
 * It reads with cursors and a fetcher of its own, so nothing that it reads is handed out, and whatever can go wrong
 * with a fetch is dealt with as usual.
 */
import type { ConsumedRecord } from '../../storage/record/record.ts'
import type { BrokerLink } from '../broker-link.ts'
import { Gate } from '../gate.ts'
import type { ClientPorts } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { FetchedPartition } from '../protocol/messages/fetch.ts'
import type { Topic } from '../topic-directory.ts'
import { readArriving } from './arriving-batches.ts'
import type { BatchReader } from './consumed-batch.ts'
import { Cursor } from './cursor.ts'
import { Fetcher } from './fetcher.ts'
import { NewestChoice } from './newest-choice.ts'
import { type LocateHost, OffsetLocator } from './offset-locator.ts'
import type { ConsumerSettings } from './options.ts'

/** The consumer, as this sees it. */
export interface NewestHost extends LocateHost {
  /** Every topic is known: nobody who shares a wish is missing. */
  isComplete(): boolean
}

type Wish = { readonly last: number }

export class NewestLocator {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #settings: ConsumerSettings
  readonly #host: NewestHost
  readonly #searches = new Map<Wish, Search>()
  #isClosed = false

  constructor(link: BrokerLink, ports: ClientPorts, settings: ConsumerSettings, host: NewestHost) {
    this.#link = link
    this.#ports = ports
    this.#settings = settings
    this.#host = host
  }

  /** Somebody may wait, or may not wait any more. */
  poke(): void {
    if (this.#isClosed || !this.#host.isComplete()) return
    for (const search of this.#searches.values()) search.poke()
    const groups = new Map<Wish, Cursor[]>()
    for (const cursor of this.#host.cursors()) {
      const wish = cursor.lastWanted
      if (!wish || this.#searches.has(wish)) continue
      const group = groups.get(wish)
      if (group) group.push(cursor)
      else groups.set(wish, [cursor])
    }
    for (const [wish, cursors] of groups) {
      const search = new Search(wish, cursors, this.#link, this.#ports, this.#settings, this.#host)
      this.#searches.set(wish, search)
      void search.run().then(() => this.#searches.delete(wish))
    }
  }

  /** The connection is there. */
  pump(): void {
    for (const search of this.#searches.values()) search.pump()
  }

  /** What is known of a topic is new. */
  known(topic: Topic): void {
    for (const search of this.#searches.values()) search.known(topic)
  }

  close(): void {
    this.#isClosed = true
    for (const search of this.#searches.values()) search.close()
  }
}

/** One wish, and a partition of it: the cursor that waits, and the one that looks. */
interface Looked {
  readonly waiting: Cursor
  readonly looking: Cursor
}

class Search {
  readonly #wish: Wish
  readonly #looked: readonly Looked[]
  readonly #settings: ConsumerSettings
  readonly #ports: ClientPorts
  readonly #host: NewestHost
  readonly #locator: OffsetLocator
  readonly #fetcher: Fetcher
  readonly #reader: BatchReader<ConsumedRecord>
  readonly #news = new Gate()
  readonly #indexes: ReadonlyMap<Cursor, number>
  #choice = new NewestChoice(0, [])
  #isClosed = false

  constructor(
    wish: Wish,
    cursors: readonly Cursor[],
    link: BrokerLink,
    ports: ClientPorts,
    settings: ConsumerSettings,
    host: NewestHost,
  ) {
    this.#wish = wish
    this.#settings = settings
    this.#ports = ports
    this.#host = host
    this.#reader = { codecs: ports.codecs, view: undefined, window: undefined }
    this.#looked = cursors.map((waiting) => {
      const end = { untilEnd: true, endOffset: waiting.endOffset, isOrdered: false }
      return { waiting, looking: new Cursor(waiting.topic, waiting.partition, 'earliest', end) }
    })
    this.#indexes = new Map(this.#looked.map(({ looking }, index) => [looking, index]))
    const stale = (looking: Cursor) => host.stale(this.#waiting(looking))
    const failed = (looking: Cursor, error: ProtocolError) => this.#failed(looking, error)
    this.#locator = new OffsetLocator(link, ports, settings.isolationLevel, {
      cursors: () => this.#looked.map(({ looking }) => looking),
      located: () => this.#news.open(),
      stale,
      failed,
    })
    this.#fetcher = new Fetcher(link, ports, settings, {
      // Everything is looked at when it comes.
      bufferedBytes: () => 0,
      arrived: (looking, body, { highWatermark }) => this.#arrived(looking, body, highWatermark),
      outOfRange: (looking, answer) => this.#outOfRange(looking, answer),
      stale,
      failed,
    })
  }

  /** Resolves when everybody who still waits has been told, or it was closed. */
  async run(): Promise<void> {
    this.#locator.poke()
    await this.#until(({ isLocating }) => !isLocating)
    const bounds = this.#looked.map(({ looking }) => {
      if (looking.failure) return { startOffset: 0, endOffset: 0 }
      return { startOffset: Math.min(looking.position, looking.endOffset), endOffset: looking.endOffset }
    })
    this.#choice = new NewestChoice(this.#wish.last, bounds)
    for (let ranges = this.#choice.wanted(); ranges.length > 0; ranges = this.#choice.wanted()) {
      for (const { index, fromOffset, endOffset } of ranges) {
        const { looking } = this.#looked[index]
        if (looking.failure) continue
        looking.seek({ offset: fromOffset })
        looking.endOffset = endOffset
        looking.cutOffset = endOffset
        this.#fetcher.wake(looking)
      }
      await this.#until(({ isFinished }) => isFinished)
    }
    const isClosed = this.#isClosed
    this.close()
    if (isClosed) return
    const starts = this.#choice.starts()
    this.#looked.forEach(({ waiting, looking }, index) => {
      if (looking.failure || waiting.lastWanted !== this.#wish) return
      waiting.locatedLast(starts[index], bounds[index].endOffset)
      this.#host.located(waiting)
    })
  }

  /** Whoever waits for something else by now is not looked for. */
  poke(): void {
    for (const { waiting, looking } of this.#looked)
      if (waiting.lastWanted !== this.#wish) looking.fail(new Error('nobody waits any more'))
    this.#news.open()
  }

  pump(): void {
    this.#fetcher.pump()
  }

  known(topic: Topic): void {
    for (const { looking } of this.#looked) if (looking.source.topic === topic.name) looking.topic = topic
  }

  close(): void {
    this.#isClosed = true
    this.#locator.close()
    this.#fetcher.close()
    this.#news.open()
  }

  async #until(isDone: (looking: Cursor) => boolean): Promise<void> {
    while (!this.#isClosed && this.#looked.some(({ looking }) => !looking.failure && !isDone(looking)))
      await this.#news.wait()
  }

  #waiting(looking: Cursor): Cursor {
    return this.#looked[this.#index(looking)].waiting
  }

  #index(looking: Cursor): number {
    return this.#indexes.get(looking) as number
  }

  #arrived(looking: Cursor, body: Uint8Array, highWatermark: number): void {
    const index = this.#index(looking)
    const crc32c = this.#settings.checkCrc ? this.#ports.crc32c : undefined
    try {
      readArriving(looking, body, highWatermark, this.#reader, crc32c, (batch) => {
        if (!batch.isEmpty)
          for (const { offset, timestampMs } of batch.records) this.#choice.saw(index, offset, timestampMs)
        looking.handedOut(batch.lastOffset)
      })
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#failed(looking, error)
    }
    if (looking.isFinished) this.#news.open()
  }

  /** Retention has moved on: what is gone is not among the newest. */
  #outOfRange(looking: Cursor, { logStartOffset }: FetchedPartition): void {
    const { topic, partition } = looking.source
    if (looking.fetchOffset >= logStartOffset) {
      const sentence = `topic ${topic}, partition ${partition} ends before offset ${looking.fetchOffset}, which it had`
      this.#failed(looking, new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE, sentence))
      return
    }
    looking.seek({ offset: Math.min(logStartOffset, looking.endOffset) })
    this.#fetcher.wake(looking)
    this.#news.open()
  }

  #failed(looking: Cursor, error: ProtocolError): void {
    looking.fail(error)
    const { waiting } = this.#looked[this.#index(looking)]
    if (waiting.lastWanted === this.#wish) this.#host.failed(waiting, error)
    this.#news.open()
  }
}
