/** The thread that does the tasks: what Piscina loads into each worker, with the codecs of Node. */
import { workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { nativeCrc32c } from '../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../storage/record/node/node-codecs.ts'
import { type Bundle, buffersOfAnswers, performBundle, type WorkerStart } from './bundle.ts'

const { begun } = workerData as WorkerStart
const tools = { crc32c: nativeCrc32c, codecs: nodeCodecs }

export default function codecWorker(bundle: Bundle): unknown {
  const answers = performBundle(bundle, tools, {
    monotonicMs: () => performance.now(),
    onBegun: () => Atomics.add(begun, 0, 1),
  })
  return move({ [transferableSymbol]: buffersOfAnswers(bundle, answers), [valueSymbol]: answers })
}
