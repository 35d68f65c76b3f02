/** What counts as this machine talking to itself: only there may credentials and events go in plain text unasked. */
const LOOPBACK_IPV4 = /^127(?:\.(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}$/

/** `localhost`, `::1` and 127.0.0.0/8; no other name, because a name may change what it means. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || LOOPBACK_IPV4.test(host)
}

/** Whether others may read on the way what is sent to this address of a broker. */
export function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'ws:' && !isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1'))
}
