/** An HTTP server on loopback that answers as a test wants, well or badly. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface OddServer {
  readonly url: string
  /** Paths that were asked for. */
  readonly requests: string[]
  /** By path; what is not there is 404. */
  readonly answers: Record<string, RequestListener>
}

export async function oddServer(t: Test): Promise<OddServer> {
  const requests: string[] = []
  const answers: Record<string, RequestListener> = {}
  const server: Server = createServer((request, response) => {
    requests.push(request.url as string)
    const answer = answers[request.url as string]
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, answers }
}

export function json(value: unknown, status = 200): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
}
