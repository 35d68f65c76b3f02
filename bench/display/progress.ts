/**
 * What a bench is doing now, for the person who waits: one line redrawn on a terminal, a plain line for
 * each step elsewhere. Goes to standard error, so that standard output holds nothing but the result.
 */
import { createLogUpdate } from 'log-update'

export interface Progress {
  /** A new step begins. */
  step(text: string): void
  /** How far the present step is; shown on terminals only. */
  detail(text: string): void
  /** Clears what was drawn over. */
  end(): void
}

export function createProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? redrawn(stream) : lines(stream)
}

function redrawn(stream: NodeJS.WriteStream): Progress {
  const draw = createLogUpdate(stream)
  let step = ''
  return {
    step(text) {
      step = text
      draw(text)
    },
    detail: (text) => draw(`${step}  ${text}`),
    end: () => draw.clear(),
  }
}

function lines(stream: NodeJS.WriteStream): Progress {
  return {
    step: (text) => void stream.write(`${text}\n`),
    detail: () => {},
    end: () => {},
  }
}
