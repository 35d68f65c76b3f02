/** The socket that reads into memory of its own: nothing lost, nothing overwritten, and it can be paused. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connectReading } from '../../../client/node/reading-socket.ts'
import { WholeMessages } from '../../../client/node/whole-messages.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** A server on a free port and a socket connected to it. */
async function pair(t: Test): Promise<{ server: Socket; socket: Socket }> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  const socket = connectReading({ port, host: '127.0.0.1' }, new WholeMessages())
  const [server] = (await once(listener, 'connection')) as [Socket]
  t.teardown(() => {
    socket.destroy()
    server.destroy()
    listener.close()
  })
  return { server, socket }
}

t.test('every byte comes once and in order, and what has come is never written again', async (t) => {
  const random = seededRandom(t)
  const { server, socket } = await pair(t)
  const noise = random.bytes(400_000)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const sent: Uint8Array[] = []
  for (let i = 0; i < 400; i++) {
    const length = random.below(4) === 0 ? 1 + random.below(200_000) : 1 + random.below(3_000)
    const start = random.below(200_000)
    const bytes = noise.subarray(start, start + length)
    sent.push(bytes)
    if (!server.write(bytes)) await once(server, 'drain')
    // Now and then everything is read before more comes, so that there are small reads too.
    if (random.below(8) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  server.end()
  await once(socket, 'end')
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(sent)), 'looked at after the last of them came')
  t.ok(
    chunks.some(({ length }) => length > 64 * 1024),
    'some reads brought more than Node would read at a time',
  )
})

t.test('a little that is kept holds little memory', async (t) => {
  const { server, socket } = await pair(t)
  server.write('a little')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  t.equal(chunk.toString(), 'a little')
  t.ok(chunk.buffer.byteLength <= 16 * 1024, `${chunk.buffer.byteLength} bytes`)
})

t.test('while it is paused the sender has to wait, and afterwards nothing is missing', async (t) => {
  const { server, socket } = await pair(t)
  let received = 0
  socket.on('data', ({ length }: Buffer) => {
    received += length
    if (received === length) socket.pause()
  })
  const total = 64 * 1024 * 1024
  server.end(Buffer.alloc(total, 7))
  await once(socket, 'pause')
  // The system's buffers fill up; the rest stays with the sender.
  let before = -1
  while (server.bytesWritten - server.writableLength !== before || received === 0) {
    before = server.bytesWritten - server.writableLength
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(received < total / 2, `${received} bytes came through a paused socket`)
  socket.resume()
  await once(socket, 'end')
  t.equal(received, total)
})
