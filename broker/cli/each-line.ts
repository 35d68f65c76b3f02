/** The lines of standard input, one after the other, for as long as somebody wants them. */
import type { Readable } from 'node:stream'
import { usage } from './failure.ts'
import type { Line, LineSplitter } from './line-splitter.ts'

/** Calls `take` with each line and waits where it asks to, until the stream ends or it is over. */
export async function forEachLine(
  stdin: Readable,
  splitter: LineSplitter,
  interrupted: AbortSignal,
  isOver: () => boolean,
  take: (line: Line) => Promise<void> | undefined,
): Promise<void> {
  const stop = () => stdin.destroy()
  interrupted.addEventListener('abort', stop)
  if (interrupted.aborted) stop()
  try {
    for await (const chunk of stdin) {
      splitter.push(chunk as Uint8Array)
      for (let line = splitter.next(); line !== undefined; line = splitter.next()) {
        if (isOver()) return
        const wait = take(line)
        if (wait !== undefined) await wait
      }
    }
  } catch (error) {
    // Ending a stream early is an error to its reader; this time it was wanted. Half a line is none.
    if (interrupted.aborted) return
    if ((error as NodeJS.ErrnoException).code === 'EISDIR')
      throw usage('standard input is a directory: give it a file of lines, or pipe the lines in')
    throw error
  }
  const last = splitter.end()
  if (last !== undefined) await take(last)
}
