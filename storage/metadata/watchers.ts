/**
 * The watches of one metadata store: who listens to which prefix, and how far each has been told.
 *
 * Listeners are called in a microtask of their own, never from within `watch` or `transact`, one call for
 * each change that touches their prefix. A listener that throws is reported and called again for the next
 * change; neither the store nor the other listeners notice.
 */

import type { MetadataEntry, WatchEvent, WatchListener } from '../metadata-store.ts'
import { hasPrefix } from './keys.ts'
import type { ChangeEvent } from './metadata-view.ts'
import type { WatchHistory } from './watch-history.ts'

interface Watch {
  readonly prefix: string
  readonly listener: WatchListener
  /** The next revision to tell. */
  revision: number
  ended: boolean
}

export class Watchers {
  readonly #history: WatchHistory
  readonly #onListenerError: (error: unknown) => void
  readonly #watches = new Set<Watch>()
  #scheduled = false

  constructor(history: WatchHistory, onListenerError: (error: unknown) => void) {
    this.#history = history
    this.#onListenerError = onListenerError
  }

  add(prefix: string, fromRevision: number, listener: WatchListener): () => void {
    const watch: Watch = { prefix, listener, revision: fromRevision, ended: false }
    this.#watches.add(watch)
    this.schedule()
    return () => this.#end(watch)
  }

  /** The history has grown: tells everyone soon. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      for (const watch of this.#watches) this.#tell(watch)
    })
  }

  endAll(): void {
    for (const watch of this.#watches) this.#end(watch)
  }

  #tell(watch: Watch): void {
    const history = this.#history
    if (!watch.ended && watch.revision <= history.floor) {
      this.#end(watch)
      this.#call(watch, [{ kind: 'compacted', revision: history.floor }])
    }
    // The listener may end its own watch, or any other, in the middle of this.
    while (!watch.ended) {
      const change = history.at(watch.revision)
      if (change === undefined) return
      watch.revision++
      const events = change.events.filter((event) => hasPrefix(eventKey(event), watch.prefix))
      if (events.length > 0) this.#call(watch, events.map(ownCopy))
    }
  }

  #call(watch: Watch, events: readonly WatchEvent[]): void {
    try {
      watch.listener(events)
    } catch (error) {
      this.#onListenerError(error)
    }
  }

  #end(watch: Watch): void {
    watch.ended = true
    this.#watches.delete(watch)
  }
}

/** An entry whose bytes belong to whoever gets it: the store keeps its own. */
export function entryCopy(entry: MetadataEntry): MetadataEntry {
  return { ...entry, value: new Uint8Array(entry.value) }
}

function ownCopy(event: ChangeEvent): ChangeEvent {
  return event.kind === 'put' ? { ...event, entry: entryCopy(event.entry) } : event
}

function eventKey(event: ChangeEvent): string {
  return event.kind === 'put' ? event.entry.key : event.key
}
