/**
 * What one client was granted and what it has outstanding. Pure bookkeeping.
 *
 * A client learns of a smaller grant only when the answer that carries it arrives. What it sends until
 * then it sends by the larger grant, and that is at most one such grant more from the moment the answer
 * left: while none of the later answers has been seen, the client cannot have more than that outstanding.
 */

/** Slack for what the two sides may count differently; a client beyond it does not keep the rules. */
const SLACK_FACTOR = 2

export class ProduceWindow {
  #grantedBytes = 0
  /** A larger grant the client may still act by, until so much has been received in all. */
  #formerBytes = 0
  #formerUntil = 0
  #receivedBytes = 0
  #inFlightBytes = 0

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** The client is being told this. */
  grant(bytes: number): void {
    if (bytes < this.#grantedBytes) {
      this.#formerBytes = this.#allowedBytes()
      this.#formerUntil = this.#receivedBytes + this.#formerBytes
    }
    this.#grantedBytes = bytes
  }

  /** A request has come. False: the client breaks the rules; nothing was counted. */
  take(bytes: number): boolean {
    const outstanding = this.#inFlightBytes + bytes
    // One request may always be under way, or a window below the size of a batch would be the end.
    if (this.#inFlightBytes > 0 && outstanding > SLACK_FACTOR * this.#allowedBytes()) return false
    this.#receivedBytes += bytes
    this.#inFlightBytes = outstanding
    return true
  }

  /** A request has been answered. */
  give(bytes: number): void {
    this.#inFlightBytes -= bytes
  }

  #allowedBytes(): number {
    if (this.#receivedBytes > this.#formerUntil) return this.#grantedBytes
    return Math.max(this.#grantedBytes, this.#formerBytes)
  }
}
