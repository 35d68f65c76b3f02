/** By which a load generator is told to end the task at hand before its time. */
export class StopSign {
  #listener: (() => void) | undefined
  #events: number | undefined

  /** Undefined until it is set: then how many events are all there are. */
  get events(): number | undefined {
    return this.#events
  }

  set(events: number): void {
    this.#events = events
    this.#listener?.()
  }

  /** The one who is at work. Called at once when it has been set. */
  onSet(listener: () => void): void {
    this.#listener = listener
    if (this.#events !== undefined) listener()
  }
}
