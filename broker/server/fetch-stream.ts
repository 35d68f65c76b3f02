/**
 * The way of fetched data to its client: each stored value becomes one frame with the flag MORE, its
 * header written into the free room before the batches, and is sent at once.
 */
import { apis } from '../../client/protocol/api.ts'
import { encodeFetchData, encodeHeader } from '../../client/protocol/codec.ts'
import { FLAG_MORE, FLAG_RESPONSE, writeFrameBefore } from '../../client/protocol/frame.ts'
import { fetchData } from '../../client/protocol/messages/fetch.ts'
import type { FetchDataSource, FetchSink } from '../handlers/context.ts'
import type { Outbox } from './outbox.ts'

const FLAGS = FLAG_RESPONSE | FLAG_MORE

export class FetchStream implements FetchSink {
  readonly #outbox: Outbox
  readonly #correlationId: number

  constructor(outbox: Outbox, correlationId: number) {
    this.#outbox = outbox
    this.#correlationId = correlationId
  }

  canWrite(): boolean {
    return this.#outbox.canWrite()
  }

  writable(): Promise<void> {
    return this.#outbox.writable()
  }

  data(source: FetchDataSource, value: Uint8Array, start: number, end: number): void {
    const { key, versionMax } = apis.fetch
    const header = encodeHeader(fetchData, source)
    const batches = value.subarray(start, end)
    const inPlace = writeFrameBefore(batches, start, key, versionMax, FLAGS, this.#correlationId, header)
    this.#outbox.sendNow(inPlace ?? encodeFetchData(this.#correlationId, source, batches))
  }
}
