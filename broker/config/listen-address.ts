/** The setting `listen`: HOST:PORT on this machine only, and why. */
import { z } from 'zod'
import { isLoopbackHost } from './loopback.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** A refusal with this code is the whole sentence; others are worded from the setting's description. */
export const LOOPBACK_ONLY =
  'the broker cannot tell yet who calls, so it listens on this machine only; use 127.0.0.1, [::1] or localhost'

export const listenAddress = z.string().transform((text, context): ListenAddress => {
  const address = parseHostPort(text)
  if (!address) {
    context.addIssue({ code: 'invalid_format', format: 'host:port', input: text })
    return z.NEVER
  }
  if (!isLoopbackHost(address.host)) {
    context.addIssue({ code: 'custom', message: LOOPBACK_ONLY, input: text })
    return z.NEVER
  }
  return address
})

/** Undefined where the text is not HOST:PORT; an IPv6 address stands in brackets. */
function parseHostPort(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return match && port <= 65_535 ? { host: match[1] ?? match[2], port } : undefined
}

/** `ws://host:port`, the host in brackets where it must be. */
export function webSocketUrl({ host, port }: ListenAddress): string {
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}`
}
