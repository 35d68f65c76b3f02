/**
 * What counts as this machine talking to itself. Until the broker can tell who calls, that is all it
 * listens to, and the only web pages it lets in are those served from this machine: a page from anywhere
 * else, open in a browser here, could otherwise reach the broker in its user's place.
 */
const LOOPBACK_IPV4 = /^127(?:\.(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}$/

/** `localhost`, `::1` and 127.0.0.0/8; no other name, because a name may change what it means. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || LOOPBACK_IPV4.test(host)
}

/** Whether the `Origin` header of an upgrade is missing (no browser) or names a page of this machine. */
export function isLocalOrigin(origin: string): boolean {
  if (origin === '') return true
  if (!URL.canParse(origin)) return false
  const { hostname } = new URL(origin)
  return isLoopbackHost(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)
}
