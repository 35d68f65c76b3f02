/**
 * Choosing the WebSocket sub-protocol, the same way in every transport. A browser gives no other sign
 * of a mismatch than a failed upgrade, so the refusal is a sentence for whoever looks at it.
 */

/** Whether a `Sec-WebSocket-Protocol` header (a list with commas, RFC 6455 11.3.4) names `subProtocol`. */
export function offersSubProtocol(header: string, subProtocol: string): boolean {
  return header.split(',').some((offered) => offered.trim() === subProtocol)
}

/** What an upgrade without the right sub-protocol is answered, with status 400. */
export function subProtocolRefusal(header: string, subProtocol: string): string {
  const offered = header.trim()
  const got = offered === '' ? 'none was offered' : `offered: ${offered.slice(0, 200)}`
  return `This WebSocket speaks the sub-protocol ${subProtocol}; ${got}.\n`
}
