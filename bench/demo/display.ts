/**
 * Shows the demo on a stream, in one of three ways: a picture that is drawn over itself on a terminal, a
 * plain line a second elsewhere, one JSON object a line for programs. Keeps no numbers of its own.
 */
import chalk, { Chalk } from 'chalk'
import { createLogUpdate } from 'log-update'
import { frame, plainLine, type View } from './view.ts'

export interface Display {
  /** Shows the numbers as they are now; called some ten times a second. */
  update(view: View): void
  /** Something happened. */
  note(view: View, text: string): void
  /** Leaves the last picture standing. */
  end(view: View): void
}

export function pictureDisplay(stream: NodeJS.WriteStream): Display {
  const log = createLogUpdate(stream)
  const draw = (view: View) => log(frame(view, stream.columns, chalk))
  return {
    update: draw,
    note: draw,
    end: (view) => {
      draw(view)
      log.done()
    },
  }
}

export function plainDisplay(write: (text: string) => void): Display {
  const everyMs = 1000
  let lastMs = Number.NEGATIVE_INFINITY
  return {
    update: (view) => {
      if (view.elapsedMs - lastMs < everyMs) return
      lastMs = view.elapsedMs
      write(`${plainLine(view)}\n`)
    },
    note: (view, text) => write(`${`${(view.elapsedMs / 1000).toFixed(1)} s`.padStart(7)}  ${text}\n`),
    end: (view) =>
      write(`${plainLine(view)}\n${frame({ ...view, notes: [] }, 100, new Chalk({ level: 0 }))}\n`),
  }
}

export function jsonDisplay(write: (text: string) => void): Display {
  const everyMs = 1000
  let lastMs = Number.NEGATIVE_INFINITY
  const line = (view: View, more: object) => {
    const elapsedMs = Math.round(view.elapsedMs)
    const { published, acknowledged, consumed, broker } = view
    write(
      `${JSON.stringify({ ...more, elapsedMs, published, acknowledged, consumed, broker: broker.state })}\n`,
    )
  }
  return {
    update: (view) => {
      if (view.elapsedMs - lastMs < everyMs) return
      lastMs = view.elapsedMs
      line(view, { event: 'progress' })
    },
    note: (view, text) => line(view, { event: 'note', text }),
    end: (view) => line(view, { event: 'end' }),
  }
}
