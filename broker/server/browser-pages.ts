/**
 * Which web pages may use the broker from a browser. Browsers say with `Origin` whose page it is that asks, and
 * neither pages nor their scripts can leave it out or change it. A request without one comes from no page; whoever can
 * send that can do as he likes, and is asked for a credential like everybody.
 *
 * Compared is the whole header, byte for byte: browsers send origins in their one canonical form. Several headers
 * are one text with commas, which is in no list. That the page would come from this very address counts for nothing,
 * because a name can be made to lead here (DNS rebinding).
 */

export class BrowserPages {
  readonly #allowed: ReadonlySet<string>

  /** @param allowed origins in canonical form: `https://lab.example.edu` */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed)
  }

  /** The sentence with which a request with this `Origin` is refused; undefined: it may go on. */
  refusal(origin: string): string | undefined {
    if (origin === '' || this.#allowed.has(origin)) return undefined
    if (origin === 'null')
      return 'A page without an origin of its own (a file, a sandboxed frame) may not use this broker.'
    return `A page of ${origin.slice(0, 200)} may not use this broker; whoever runs it can allow that with --allowed-origins.`
  }

  /** What lets the browser show an answer to a page that may see it. */
  headers(origin: string): Readonly<Record<string, string>> {
    if (!this.#allowed.has(origin)) return {}
    return { 'access-control-allow-origin': origin, vary: 'Origin' }
  }

  /** The same for the question a browser asks before it sends a credential along. */
  preflightHeaders(origin: string): Readonly<Record<string, string>> {
    return {
      ...this.headers(origin),
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': 'Authorization',
    }
  }
}
