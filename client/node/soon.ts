/**
 * What is to run when the present turn of the event loop has handled its events: all of it in one immediate of
 * Node, in the order of asking. A program with hundreds of producers asks for it as often as it sends.
 *
 * As with immediates of their own, what is asked for meanwhile runs after the next turn, and one that throws
 * keeps none of the others from running.
 */
export function soonTogether(immediate: (run: () => void) => void): (run: () => void) => void {
  let waiting: (() => void)[] = []

  function runAll(): void {
    const running = waiting
    waiting = []
    let next = 0
    try {
      while (next < running.length) running[next++]()
    } finally {
      if (next < running.length) {
        if (waiting.length === 0) immediate(runAll)
        waiting = [...running.slice(next), ...waiting]
      }
    }
  }

  return (run) => {
    if (waiting.push(run) === 1) immediate(runAll)
  }
}
