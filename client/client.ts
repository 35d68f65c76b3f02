/**
 * The client: one tie to the broker, and the producers, consumers and administration that share it. Runs
 * wherever its ports run; the Node entry is `index.ts`.
 */
import type { RecordField } from '../storage/record/batch-encoder.ts'
import type { ConsumedRecord } from '../storage/record/record.ts'
import { Admin } from './admin.ts'
import { BrokerLink } from './broker-link.ts'
import type { PlacedRecord, RecordView } from './consumer/consumed-batch.ts'
import { Consumer } from './consumer/consumer.ts'
import { type ConsumerOptions, type ConsumerSettings, consumerSettings } from './consumer/options.ts'
import { TypedRecord } from './consumer/typed-record.ts'
import { type ClientOptions, type ClientSettings, clientSettings } from './options.ts'
import type { ClientPorts } from './ports.ts'
import { type ProducerOptions, producerSettings } from './producer/options.ts'
import { Producer } from './producer/producer.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import { TopicDirectory } from './topic-directory.ts'

export class OctopusClient {
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #link: BrokerLink
  readonly #directory: TopicDirectory
  readonly #admin: Admin
  readonly #producers = new Set<{ close(): Promise<void> }>()
  readonly #consumers = new Set<{ close(): Promise<void> }>()
  #closed: Promise<void> | undefined

  /**
   * Resolves when connected. Rejects with RangeError for a wrong option, with a {@link ProtocolError} when the
   * broker cannot be reached (DISCONNECTED) or refuses, and with the reason of an aborted signal.
   */
  static async open(options: ClientOptions, ports: ClientPorts): Promise<OctopusClient> {
    const client = new OctopusClient(clientSettings(options), ports)
    await client.#link.start()
    return client
  }

  private constructor(settings: ClientSettings, ports: ClientPorts) {
    this.#ports = ports
    this.#settings = settings
    this.#link = new BrokerLink(settings, ports)
    this.#directory = new TopicDirectory(this.#link, ports, settings.metadataMaxAgeMs)
    this.#admin = new Admin(this.#link, settings.requestTimeoutMs)
  }

  get url(): string {
    return this.#link.url
  }

  /** Whether requests can be sent now: not while a credential that has expired is being renewed. */
  get isConnected(): boolean {
    return this.#link.connection !== undefined
  }

  /** A producer that lives until it or the client is closed. Throws RangeError for a wrong option. */
  producer<V = RecordField>(options: ProducerOptions<V> = {}): Producer<V> {
    this.#throwIfClosed()
    const batchBytesMax = this.#link.limits?.batchBytesMax ?? Number.MAX_SAFE_INTEGER
    const settings = producerSettings(options, this.#ports.codecs, batchBytesMax)
    const producer = new Producer(this.#link, this.#directory, this.#ports, settings, {
      requestTimeoutMs: this.#settings.requestTimeoutMs,
      serializer: options.serializer,
      onClosed: () => this.#producers.delete(producer),
    })
    this.#producers.add(producer)
    return producer
  }

  /** A consumer that lives until it or the client is closed. Starts at once. Throws RangeError for a wrong option. */
  consumer<T>(
    options: ConsumerOptions<T> & { readonly deserializer: NonNullable<ConsumerOptions<T>['deserializer']> },
  ): Consumer<TypedRecord<T>>
  consumer(options: ConsumerOptions): Consumer<ConsumedRecord>
  consumer<T>(options: ConsumerOptions<T>): Consumer<TypedRecord<T>> | Consumer {
    this.#throwIfClosed()
    const settings = consumerSettings(options, this.#ports.codecs)
    const { deserializer } = options
    if (!deserializer) return this.#consume<ConsumedRecord>(settings, undefined)
    return this.#consume(settings, (record) => new TypedRecord(record, deserializer))
  }

  /** Topics, offsets, the state of the broker. */
  admin(): Admin {
    return this.#admin
  }

  /**
   * Closes consumers, then producers, which deliver everything they have taken (see {@link Producer.close}), then
   * the connection. Calling it again is harmless.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  #consume<R extends PlacedRecord = ConsumedRecord>(
    settings: ConsumerSettings,
    view: RecordView<R> | undefined,
  ): Consumer<R> {
    const consumer = new Consumer(this.#link, this.#directory, this.#ports, settings, {
      view,
      clientName: this.#settings.clientName,
      onClosed: () => this.#consumers.delete(consumer),
    })
    this.#consumers.add(consumer)
    return consumer
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await Promise.all([...this.#producers].map((producer) => producer.close()))
    this.#directory.close()
    this.#link.close()
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new ProtocolError(ErrorCode.CLOSED)
    if (this.#link.failure) throw this.#link.failure
  }
}
