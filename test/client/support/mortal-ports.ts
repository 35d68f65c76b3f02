/** The ports of a client whose process can be paused, as by SIGSTOP, and killed, without the client's knowing. */
import type { ClientPorts, ClientSocket } from '../../../client/ports.ts'

export class MortalPorts {
  readonly ports: ClientPorts
  #isDead = false
  #isPaused = false
  /** What came while it was paused. */
  #messages: (() => void)[] = []
  #timers: (() => void)[] = []
  readonly #sockets = new Set<ClientSocket>()

  constructor(ports: ClientPorts) {
    const message = (run: () => void) => this.#run(this.#messages, run)
    const timer = (run: () => void) => this.#run(this.#timers, run)
    this.ports = {
      ...ports,
      timers: {
        after: (delayMs, run) => ports.timers.after(delayMs, () => timer(run)),
        soon: (run) => ports.timers.soon(() => timer(run)),
      },
      websockets: {
        connect: async (url, options, handlers) => {
          const socket = await ports.websockets.connect(url, options, {
            ...handlers,
            message: (data) => message(() => handlers.message(data)),
            closed: (reason) => message(() => handlers.closed(reason)),
          })
          if (this.#isDead) socket.close(1006, 'killed')
          else this.#sockets.add(socket)
          return socket
        },
      },
    }
  }

  get isRunning(): boolean {
    return !this.#isDead && !this.#isPaused
  }

  get isDead(): boolean {
    return this.#isDead
  }

  pause(): void {
    this.#isPaused = true
  }

  /** What came meanwhile comes now: messages before timers, as from an event loop that had waited for messages. */
  resume(): void {
    this.#isPaused = false
    for (const list of [this.#messages, this.#timers]) for (const run of list.splice(0)) this.#run(list, run)
  }

  kill(): void {
    this.#isDead = true
    for (const socket of this.#sockets) socket.close(1006, 'killed')
  }

  #run(list: (() => void)[], run: () => void): void {
    if (this.#isPaused) list.push(run)
    else if (!this.#isDead) run()
  }
}
