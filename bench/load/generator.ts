/**
 * The process that loads a broker through the public SDK, as any client would. Does what it is sent over
 * its channel, one task at a time, and answers with what was acknowledged or received, never with
 * what was only handed over.
 */
import { connect } from '../../client/index.ts'
import { consume, produce, produceSingleBatches } from './bulk.ts'
import { scan, watch } from './filtered.ts'
import { groupCommits } from './group-commits.ts'
import { groupMoves } from './group-moves.ts'
import { produceJson } from './json.ts'
import { produceMarked } from './marked.ts'
import { newcomers } from './newcomers.ts'
import { oneInFlight } from './one-in-flight.ts'
import { consumeLive, producePaced, recordLive } from './paced.ts'
import { replay } from './replay.ts'
import { changeRights } from './rights.ts'
import { StopSign } from './stop-sign.ts'
import type { Answers, Report, Request, Stop as StopRequest, Task } from './tasks.ts'
import { verify } from './verify.ts'

type Client = Awaited<ReturnType<typeof connect>>

function report(message: Report): void {
  process.send?.(message)
}

const onProgress = (events: number) => report({ kind: 'progress', events })

async function perform(
  client: Client,
  { url, task }: Request,
  stop: StopSign,
): Promise<Answers[Task['kind']]> {
  switch (task.kind) {
    case 'create-topic': {
      const { partitions, configs = {} } = task
      await client.admin().createTopic(task.topic, { partitions, configs })
      return {}
    }
    case 'produce':
      return produce(client, task, onProgress)
    case 'produce-json':
      return produceJson(client, task, stop, onProgress)
    case 'produce-single-batches':
      return produceSingleBatches(client, task, onProgress)
    case 'consume':
      return consume(client, task, onProgress)
    case 'produce-marked':
      return produceMarked(client, task, onProgress)
    case 'verify':
      return verify(client, task)
    case 'produce-paced':
      return producePaced(client, task, stop, () => onProgress(0))
    case 'consume-live':
      return consumeLive(client, task)
    case 'record-live':
      return recordLive(client, task, stop)
    case 'replay':
      return replay(client, task)
    case 'scan':
      return scan(client, task, stop)
    case 'watch':
      return watch(url, task, () => onProgress(0))
    case 'one-in-flight':
      return oneInFlight(url, task)
    case 'newcomers':
      return newcomers(url, task)
    case 'rights':
      return changeRights(url, client, task)
    case 'group-commits':
      return groupCommits(url, task)
    case 'group-moves':
      return groupMoves(url, task)
  }
}

// The leash lets go of the channel; between tasks nothing else keeps this process alive.
process.channel?.ref()
let atHand = new StopSign()
process.on('message', async (request: Request | StopRequest) => {
  if ('stopAfterEvents' in request) return atHand.set(request.stopAfterEvents)
  atHand = new StopSign()
  try {
    const { url, token } = request
    const client = await connect({ url, clientName: 'octopus-bench', ...(token !== undefined && { token }) })
    const answer = await perform(client, request, atHand)
    await client.close()
    report({ kind: 'done', answer })
  } catch (error) {
    report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})
