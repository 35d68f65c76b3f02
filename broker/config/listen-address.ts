/** The setting `listen`: HOST:PORT. Whether it may be that host is decided with the others (`load-config.ts`). */
import { z } from 'zod'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export const listenAddress = z.string().transform((text, context): ListenAddress => {
  const address = parseHostPort(text)
  if (address) return address
  context.addIssue({ code: 'invalid_format', format: 'host:port', input: text })
  return z.NEVER
})

/** Undefined where the text is not HOST:PORT; an IPv6 address stands in brackets. */
function parseHostPort(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return match && port <= 65_535 ? { host: match[1] ?? match[2], port } : undefined
}

/** `ws://host:port`, `wss:` where there is TLS, the host in brackets where it must be. */
export function webSocketUrl({ host, port }: ListenAddress, isTls: boolean): string {
  return `${isTls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
