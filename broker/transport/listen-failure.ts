/**
 * Why listening failed, in a sentence that says what to do. uWebSockets.js reports only that it did,
 * so the system is asked the same question once more through `node:net`, which tells.
 */
import { createServer } from 'node:net'
import { TransportError } from './transport.ts'

/** Always resolves with an error, also when the second attempt happens to succeed. */
export async function explainListenFailure(host: string, port: number): Promise<TransportError> {
  return describe(host, port, await tryListening(host, port))
}

function tryListening(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(error))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

function describe(host: string, port: number, cause: NodeJS.ErrnoException | undefined): TransportError {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  switch (cause?.code) {
    case 'EADDRINUSE':
      return new TransportError(
        'ADDRESS_IN_USE',
        `cannot listen on ${where}: the port is in use by another program; stop it or listen on another port`,
        { cause },
      )
    case 'EADDRNOTAVAIL':
      return new TransportError(
        'ADDRESS_UNAVAILABLE',
        `cannot listen on ${where}: this machine has no such address; use one it has, such as 127.0.0.1`,
        { cause },
      )
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new TransportError(
        'ADDRESS_UNAVAILABLE',
        `cannot listen on ${where}: the host name is not known here; use an address, such as 127.0.0.1`,
        { cause },
      )
    case 'EACCES':
      return new TransportError(
        'LISTEN_FAILED',
        `cannot listen on ${where}: this user may not open the port; use one from 1024 up`,
        { cause },
      )
    default:
      return new TransportError(
        'LISTEN_FAILED',
        `cannot listen on ${where}${cause ? `: ${cause.message}` : '; the reason is gone, try again'}`,
        cause ? { cause } : undefined,
      )
  }
}
