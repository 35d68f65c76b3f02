/** A line on the terminal that counts while a long command runs, and is gone when it ends. */
import type { Output } from './output.ts'

const FIRST_AFTER_MS = 1_000
const EVERY_MS = 250
const ERASE_LINE = '\r\u001b[K'

/**
 * Shows `text()` on standard error a few times a second, from one second on, when it is a terminal.
 * Returns the function that ends it.
 */
export function showProgress(err: Output, text: (elapsedMs: number) => string): () => void {
  if (!err.isTerminal) return () => {}
  const startedAtMs = performance.now()
  let shown = false
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - startedAtMs
    if (elapsedMs < FIRST_AFTER_MS) return
    shown = true
    err.write(`${ERASE_LINE}${text(elapsedMs).slice(0, err.columns - 1)}`)
  }, EVERY_MS)
  return () => {
    clearInterval(timer)
    if (shown) err.write(ERASE_LINE)
  }
}
