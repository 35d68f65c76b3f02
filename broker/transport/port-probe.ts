/**
 * What uWebSockets.js does not tell about a port, asked of the system through `node:net`: whether it is free and
 * nobody else's, which one is free, and why listening on it failed, in a sentence that says what to do.
 */
import { lookup } from 'node:dns/promises'
import { type AddressInfo, createServer, isIP } from 'node:net'
import { TransportError } from './transport.ts'

/** Always resolves with an error, also when the second attempt happens to succeed. */
export async function explainListenFailure(host: string, port: number): Promise<TransportError> {
  try {
    await freePort(host, port)
    return describe(host, port, undefined)
  } catch (error) {
    return error as TransportError
  }
}

/**
 * Resolves with `port`, or with a free one for 0, when nobody listens on it at any address of `host`; rejects with a
 * {@link TransportError} otherwise. Nothing is left listening.
 */
export async function freePort(host: string, port: number): Promise<number> {
  let chosen = port
  try {
    for (const address of await addressesOf(host)) chosen = await tryListening(address, chosen)
  } catch (cause) {
    throw describe(host, port, cause as NodeJS.ErrnoException)
  }
  return chosen
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host)) return [host]
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/** Resolves with the port it listened on for a moment. */
function tryListening(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      const { port: taken } = server.address() as AddressInfo
      server.close(() => resolve(taken))
    })
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
