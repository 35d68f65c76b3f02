/** A record whose value has a meaning: what a consumer with a deserializer gives. */
import type { RecordHeader } from '../../storage/record/batch-encoder.ts'
import type { ConsumedRecord } from '../../storage/record/record.ts'
import type { Serializer } from '../serializers.ts'

export class TypedRecord<T> {
  /** The record as it came, with its bytes. */
  readonly raw: ConsumedRecord
  readonly #deserializer: Pick<Serializer<T>, 'deserialize'>

  constructor(raw: ConsumedRecord, deserializer: Pick<Serializer<T>, 'deserialize'>) {
    this.raw = raw
    this.#deserializer = deserializer
  }

  get topic(): string {
    return this.raw.topic
  }

  get partition(): number {
    return this.raw.partition
  }

  get offset(): number {
    return this.raw.offset
  }

  get timestampMs(): number {
    return this.raw.timestampMs
  }

  get key(): Uint8Array | null {
    return this.raw.key
  }

  get headers(): readonly RecordHeader[] {
    return this.raw.headers
  }

  /** The value, made from its bytes on each access. Throws what the deserializer throws. */
  get value(): T {
    return this.#deserializer.deserialize(this.raw.value)
  }
}
