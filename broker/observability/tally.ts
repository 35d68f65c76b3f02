/**
 * What the server counts as it goes: plain numbers, so that counting costs nothing on the hot path. The
 * metrics read them when they are asked for.
 */

export class Tally {
  connectionsOpened = 0
  /** Upgrades refused because the node was full or draining. */
  connectionsRefused = 0
  framesIn = 0
  bytesIn = 0
  /** Connections ended because the client did not read. */
  slowClientsTerminated = 0
  /** Connections ended because the client broke the protocol. */
  breaches = 0
  /** Credentials that were wrong, and how many of these had to wait since there were too many. */
  wrongCredentials = 0
  throttledCredentials = 0
  /** Produce requests refused because the node's buffer was full. */
  produceRequestsRefused = 0
  /** Segments rewritten because something in them outlives the rest, and the bytes that were copied for it. */
  relocatedSegments = 0
  relocatedBytes = 0
  readonly #requests = new Map<string, Map<number, number>>()

  /** One request has been answered: with error code 0 or the code of its refusal. */
  request(api: string, errorCode: number): void {
    let row = this.#requests.get(api)
    if (!row) {
      row = new Map()
      this.#requests.set(api, row)
    }
    row.set(errorCode, (row.get(errorCode) ?? 0) + 1)
  }

  /** Answered requests by API name and error code. */
  get requests(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.#requests
  }
}
