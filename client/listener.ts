/** Calling functions of the user from the middle of our own work. */
import type { Timers } from './ports.ts'

/**
 * Tells `listener`. What it throws becomes an uncaught exception of a later turn: visible, and without
 * leaving our state half changed.
 */
export function tell<Event>(
  timers: Timers,
  listener: ((event: Event) => void) | undefined,
  event: Event,
): void {
  if (!listener) return
  try {
    listener(event)
  } catch (error) {
    timers.soon(() => {
      throw error
    })
  }
}
