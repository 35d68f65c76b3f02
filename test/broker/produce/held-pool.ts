/** A codec pool whose threads are a test's to move: what is run waits until the test finishes it, or kills its worker. */
import {
  type CodecPool,
  CodecPoolError,
  type CodecPoolErrorReason,
  type CodecPoolStats,
} from '../../../broker/codec-pool/codec-pool.ts'
import { type CodecTask, performCodecTask, type ResultOf } from '../../../broker/codec-pool/codec-task.ts'
import { InlinePool } from '../../../broker/codec-pool/inline-pool.ts'
import { nativeCrc32c } from '../../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'

export const tools = { crc32c: nativeCrc32c, codecs: nodeCodecs }

interface Held {
  finish(): void
  fail(reason: CodecPoolErrorReason): void
}

export class HeldPool implements CodecPool {
  readonly #inline = new InlinePool(tools)
  readonly offloadBytesMin: number
  /** In the order in which they came. */
  held: Held[] = []
  ranNow = 0
  /** Told of each task that is done at once. */
  onNow = () => {}

  constructor(offloadBytesMin: number) {
    this.offloadBytesMin = offloadBytesMin
  }

  shouldOffload(_kind: string, bytes: number): boolean {
    return bytes >= this.offloadBytesMin
  }

  run<T extends CodecTask>(task: T): Promise<ResultOf<T>> {
    // As a thread does: the bytes are gone from here, and nobody may have kept a view of them.
    const away = structuredClone(task, { transfer: [task.bytes.buffer as ArrayBuffer] })
    return new Promise((resolve, reject) => {
      const held: Held = {
        finish: () => resolve(performCodecTask(away, tools)),
        fail: (reason) => reject(new CodecPoolError(reason, `the pool says ${reason}`)),
      }
      this.held.push(held)
    })
  }

  copyOf(lent: Uint8Array): Uint8Array {
    return this.#inline.copyOf(lent)
  }

  giveBack(bytes: Uint8Array): void {
    // Whoever reads it after this sees it.
    new Uint8Array(bytes.buffer).fill(0xee)
  }

  performNow<T extends CodecTask>(task: T): ResultOf<T> {
    this.ranNow++
    this.onNow()
    return this.#inline.performNow(task)
  }

  /** Takes the one that came as the `index`th of those that are held. */
  take(index = 0): Held {
    const [held] = this.held.splice(index, 1)
    if (!held) throw new Error('nothing is held')
    return held
  }

  stats(): CodecPoolStats {
    return this.#inline.stats()
  }

  async close(): Promise<void> {
    for (const held of this.held.splice(0)) held.fail('closed')
  }
}
