/** Which addresses of issuers are taken: https, and http on this machine, where nobody stands between. */

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** What is wrong with the address, to be read behind it; undefined where nothing is. */
export function trustedUrlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'is no URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'holds a user name or a password; leave them out'
  if (url.hash !== '') return 'holds a fragment (#…); leave it out'
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return undefined
  return 'must be https; http only on this machine (127.0.0.1, [::1], localhost)'
}

/** Whether what `from` names may be fetched: a stranger must not send the node to itself in plain text. */
export function mayLeadTo(from: string, to: string): boolean {
  if (trustedUrlProblem(to) !== undefined) return false
  return new URL(to).protocol === 'https:' || isLoopback(new URL(from))
}

function isLoopback({ hostname }: URL): boolean {
  return LOOPBACK_HOST.test(hostname)
}
