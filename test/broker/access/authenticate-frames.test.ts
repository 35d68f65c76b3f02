/**
 * Whatever is sent as authenticate, to a real process: it is answered, or the connection ends; nobody is let in, the
 * process goes on, and its log holds nothing of what was sent. `OCTOPUS_SEED` repeats a run.
 */
import { once } from 'node:events'
import t from 'tap'
import WebSocket from 'ws'
import { apis } from '../../../client/protocol/api.ts'
import { encodeRequest } from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { readFrame, SUBPROTOCOL } from '../../../client/protocol/frame.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { ProtocolClient } from '../protocol-client.ts'

const HELLO = { clientName: 'fuzz', clientVersion: '1' }
const runs = process.env.OCTOPUS_SOAK === '1' ? 20_000 : 500
/** So that guesses are looked at, and not only told to wait. */
const broker = await BrokerProcess.start(['--log-level', 'debug', '--auth-throttle-burst', '10000'])
t.teardown(() => broker.destroy())

async function strange(): Promise<ProtocolClient> {
  const client = await ProtocolClient.open(broker.url)
  await client.call(apis.hello, HELLO)
  return client
}

t.test('tokens of every kind', async (t) => {
  const random = seededRandom(t)
  const refusals: readonly number[] = [
    ErrorCode.SASL_AUTHENTICATION_FAILED,
    ErrorCode.UNSUPPORTED_SASL_MECHANISM,
    ErrorCode.INVALID_REQUEST,
  ]
  const client = await strange()
  const sent: string[] = []
  for (let run = 0; run < runs; run++) {
    const bytes = Buffer.from(random.bytes(random.below(run % 50 === 0 ? 30_000 : 300)))
    const text = bytes.toString(random.pick(['latin1', 'utf8', 'base64url', 'hex']))
    const begin = random.pick([
      '',
      'oct_',
      `oct_${'test'.repeat(4)}_`,
      'eyJhbGciOiJub25lIn0.',
      ADMIN_KEY.slice(0, -1),
    ])
    const token = begin + text
    const mechanism = random.pick(['token', 'token', 'token', 'PLAIN', ''])
    try {
      await client.call(apis.authenticate, { mechanism, token })
      t.fail(`${JSON.stringify(token)} was accepted`)
    } catch (error) {
      if (!(error instanceof ProtocolError) || !refusals.includes(error.code))
        t.fail(`${JSON.stringify(token)} was answered with ${error}`)
    }
    if (text.length >= 20 && /^[\w-]+$/.test(text)) sent.push(text)
  }
  await t.rejects(client.call(apis.whoami, {}), { code: ErrorCode.AUTHENTICATION_REQUIRED })
  client.socket.terminate()
  t.ok(sent.length > runs / 10)
  t.equal(
    sent.find((text) => broker.log.includes(text)),
    undefined,
    'the log holds none of them',
  )
})

/** A socket that has said hello, for frames no client would send. */
async function rawSocket(): Promise<WebSocket> {
  const socket = new WebSocket(broker.url, SUBPROTOCOL)
  await once(socket, 'open')
  socket.send(encodeRequest(apis.hello, 1, HELLO))
  await once(socket, 'message')
  return socket
}

/** Resolves with the number of answers until that of hello, or undefined when the connection has ended. */
function answersBefore(socket: WebSocket, helloId: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    let answers = 0
    const ended = () => resolve(undefined)
    const heard = (bytes: Buffer) => {
      if (readFrame(bytes).correlationId !== helloId) answers++
      else {
        socket.off('message', heard).off('close', ended)
        resolve(answers)
      }
    }
    socket.on('message', heard).once('close', ended)
    socket.send(encodeRequest(apis.hello, helloId, HELLO))
  })
}

t.test('damaged frames', async (t) => {
  const random = seededRandom(t)
  const token = `oct_${'test'.repeat(4)}_${'B'.repeat(42)}A`
  const sound = encodeRequest(apis.authenticate, 7, { mechanism: 'token', token })
  let socket = await rawSocket()
  let answered = 0
  let ended = 0
  for (let run = 0; run < runs; run++) {
    const bytes = Buffer.from(sound)
    for (let i = 0; i <= random.below(4); i++) bytes[random.below(bytes.length)] = random.below(256)
    socket.send(random.unit() < 0.3 ? bytes.subarray(0, random.below(bytes.length)) : bytes)
    const answers = await answersBefore(socket, 1_000_000 + run)
    answered += answers ?? 0
    if (answers !== undefined) continue
    ended++
    socket = await rawSocket()
  }
  socket.terminate()
  t.ok(ended > 0 && answered > 0, `${ended} connections ended, ${answered} frames were answered`)
  t.notOk(broker.log.includes(token.slice(-30)), 'the log holds no part of the token')
})

t.test('and all is well afterwards', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  t.match(await client.call(apis.whoami, {}), { principal: 'user:admin' })
  client.socket.terminate()
  t.notMatch(broker.log, /"level":(?:50|60)/, 'no error was logged')
  t.notOk(broker.log.includes(ADMIN_KEY.slice(-30)))
  t.equal(await broker.end('SIGTERM'), 0)
})
