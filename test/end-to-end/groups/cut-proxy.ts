/** A TCP proxy between a member and the broker that can cut its connections, let nobody through for a while, or go silent. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class CutProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isBarred = false
  #isSilent = false

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      if (this.#isBarred) {
        near.destroy()
        return
      }
      const far = connect(targetPort, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(from)
        from.setNoDelay(true)
        from.on('data', (bytes) => to.write(bytes))
        // The other side hears of it by the end of its own.
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        if (this.#isSilent) from.pause()
      }
    })
  }

  static async start(targetPort: number): Promise<CutProxy> {
    const proxy = new CutProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Cuts every connection; `bar` lets no new one through until {@link open}. */
  cut({ bar = false } = {}): void {
    this.#isBarred = bar
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Nothing passes any more, and nobody is told. */
  silence(): void {
    this.#isSilent = true
    for (const socket of this.#sockets) socket.pause()
  }

  open(): void {
    this.#isBarred = false
    this.#isSilent = false
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    this.#server.close()
    this.cut({ bar: true })
  }
}
