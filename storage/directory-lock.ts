/**
 * The lock on a data directory: at most one process holds it, and it is gone the moment that process is,
 * however it ended.
 *
 * Node has no `flock`. A file with a process id in it stays behind after SIGKILL, and the id means nothing in
 * another container. So the lock is a **socket that listens in the directory itself**: the kernel stops
 * listening when the process dies, a new process can ask ("does anybody answer?") instead of guessing, and
 * processes in different containers that share the directory see each other, as they would not on an
 * abstract socket or a loopback port. Machines that share a network disk do not; LMDB forbids those anyway.
 *
 * How one of several wins, without ever deleting a file that might be in use:
 *
 * 1. Announce: listen, then give the socket its name `lock-PID-ID`. It listens before it has that name, so
 *    a named socket that refuses a connection is dead for good and may be removed by anyone.
 * 2. Look: connect to every other `lock-*` there is. If nobody answers, the lock is ours, marked by a file
 *    `lock-PID-ID.held`. Whoever announces later finds us, because everybody announces before looking: two
 *    that start at once cannot both see nobody.
 * 3. If somebody answers who holds the lock, or who has not decided but has the smaller name: withdraw.
 *    If one answers who has not decided and has the larger name, it will withdraw: wait until it hangs up
 *    and look again. So of many that start at once exactly one gets the lock.
 *
 * A stopped (SIGSTOP) or busy holder still answers, because the kernel accepts for it. On Windows the sockets
 * are named pipes, which have no place in a directory: there a plain file carries the name.
 */

import { once } from 'node:events'
import { constants, type FileHandle, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { errorName, storageError } from './lmdb/accidents.ts'
import { StorageError } from './segment-store.ts'

export interface DirectoryLock {
  /** Lets the next one in. Idempotent. */
  release(): Promise<void>
}

const WINDOWS = process.platform === 'win32'
/** `sun_path` takes 104 bytes on macOS, 108 on Linux, the ending zero included. */
const SOCKET_PATH_BYTES_MAX = 103
/** Starting a child takes milliseconds. */
const SILENT_HOLDER_MS = 1_000
/** What file systems without sockets answer: those of other systems and of networks. */
const NO_SOCKETS_HERE = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']
const LOCK_NAME = /^lock-(\d+)-[0-9a-f]+$/
const LOCK_FILE = /^lock-\d+-[0-9a-f]+(\.new|\.held)?$/

/** Whether a file of this name belongs to the lock, of a living process or left behind by a dead one. */
export function isLockFile(name: string): boolean {
  return LOCK_FILE.test(name)
}

/**
 * Takes the lock. `id`: hexadecimal, unlike that of any other attempt on this directory.
 * Rejects with StorageError LOCKED naming the process that has it, or INACCESSIBLE.
 */
export async function lockDirectory(directory: string, id: string): Promise<DirectoryLock> {
  let contender: Contender | undefined
  try {
    const started = new Contender(directory, await openReach(directory), `lock-${process.pid}-${id}`)
    contender = started
    await started.announce()
    await started.win()
    return { release: () => started.withdraw() }
  } catch (error) {
    await contender?.withdraw()
    throw storageError(error, directory, 'INACCESSIBLE')
  }
}

/** How to name a socket in the directory to the kernel. */
interface Reach {
  address(name: string): string
  close(): Promise<void>
}

/**
 * Socket addresses are short and data directories may be deep. Linux lets us name a file through a
 * descriptor of its directory, which is short wherever the directory is.
 */
async function openReach(directory: string): Promise<Reach> {
  if (WINDOWS) return { address: (name) => `\\\\.\\pipe\\octopus-${name}`, close: async () => {} }
  if (process.platform === 'linux') {
    const handle: FileHandle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    const base = `/proc/self/fd/${handle.fd}`
    const works = await stat(base).then(
      () => true,
      // No /proc here (some chroots): the plain path below has to do.
      () => false,
    )
    if (works) return { address: (name) => `${base}/${name}`, close: () => handle.close() }
    await handle.close()
  }
  return { address: (name) => join(directory, name), close: async () => {} }
}

class Contender {
  readonly #directory: string
  readonly #reach: Reach
  readonly #name: string
  readonly #server: Server
  /** Connections of others that wait for our decision. */
  readonly #waiting = new Set<Socket>()
  #decided = false
  #withdrawal: Promise<void> | undefined

  constructor(directory: string, reach: Reach, name: string) {
    this.#directory = directory
    this.#reach = reach
    this.#name = name
    this.#server = createServer((socket) => this.#answer(socket))
    // The lock alone is no reason for the process to go on.
    this.#server.unref()
  }

  async announce(): Promise<void> {
    const bound = WINDOWS ? this.#name : `${this.#name}.new`
    const address = this.#reach.address(bound)
    if (!WINDOWS && Buffer.byteLength(address) > SOCKET_PATH_BYTES_MAX) {
      throw new StorageError(
        'INACCESSIBLE',
        `The path of ${this.#directory} is too long for the lock in it (${Buffer.byteLength(address)} bytes, ` +
          `at most ${SOCKET_PATH_BYTES_MAX}): use a shorter one`,
        { path: this.#directory },
      )
    }
    try {
      this.#server.listen(address)
      await once(this.#server, 'listening')
    } catch (cause) {
      const name = errorName(cause)
      if (name === undefined || !NO_SOCKETS_HERE.includes(name)) throw cause
      throw new StorageError(
        'INACCESSIBLE',
        `The file system of ${this.#directory} cannot hold a lock (${name}): keep the data on a local disk`,
        { path: this.#directory, cause },
      )
    }
    if (WINDOWS) await writeFile(this.#path(), '')
    else await rename(join(this.#directory, bound), this.#path())
  }

  /** Resolves when the lock is ours. Rejects with LOCKED where another has it or will have it. */
  async win(): Promise<void> {
    while (!(await this.#isAlone())) {
      // Somebody came or went while we looked: what was seen is no longer true.
    }
    await writeFile(`${this.#path()}.held`, '', { mode: 0o600 })
    this.#decided = true
    for (const socket of this.#waiting) socket.destroy()
  }

  withdraw(): Promise<void> {
    this.#withdrawal ??= this.#withdraw()
    return this.#withdrawal
  }

  async #withdraw(): Promise<void> {
    this.#decided = true
    await rm(`${this.#path()}.held`, { force: true })
    await rm(this.#path(), { force: true })
    for (const socket of this.#waiting) socket.destroy()
    if (this.#server.listening) {
      this.#server.close()
      await once(this.#server, 'close')
    }
    await this.#reach.close()
  }

  /** One look at the others. True: a whole look found nobody alive. False: look again. */
  async #isAlone(): Promise<boolean> {
    const names = await readdir(this.#directory)
    for (const name of names.sort()) {
      const pid = LOCK_NAME.exec(name)?.[1]
      if (pid === undefined || name === this.#name) continue
      const probe = await probeSocket(this.#reach.address(name))
      if (probe === 'gone') return false
      if (probe === 'unknown') throw this.#lockedBy(pid)
      if (probe === 'dead') await this.#removeDead(name)
      else if (names.includes(`${name}.held`)) {
        if (await this.#isHeld(probe, name)) throw this.#lockedBy(pid)
        return false
      } else if (name < this.#name) {
        probe.destroy()
        throw this.#lockedBy(pid)
      } else {
        await ended(probe)
        return false
      }
    }
    return true
  }

  /**
   * A holder hangs up at once. One that says nothing is stopped or busy; or it was killed a moment ago, and a child it was
   * about to start has not let go of its sockets yet: then the kernel hangs up, and nobody listens any more.
   */
  async #isHeld(probe: Socket, name: string): Promise<boolean> {
    probe.setTimeout(SILENT_HOLDER_MS, () => probe.destroy())
    await ended(probe)
    const again = await probeSocket(this.#reach.address(name))
    if (again === 'dead' || again === 'gone') return false
    if (again !== 'unknown') again.destroy()
    return true
  }

  async #removeDead(name: string): Promise<void> {
    await rm(join(this.#directory, `${name}.held`), { force: true })
    await rm(join(this.#directory, name), { force: true })
  }

  #answer(socket: Socket): void {
    socket.unref()
    // The other side may vanish at any time; that it did is all there is to know.
    socket.on('error', () => {})
    socket.on('close', () => this.#waiting.delete(socket))
    if (this.#decided) socket.destroy()
    else this.#waiting.add(socket)
  }

  #lockedBy(pid: string): StorageError {
    return new StorageError(
      'LOCKED',
      `The data directory ${this.#directory} is in use by process ${pid}: ` +
        'stop that one first, or choose another --data',
      { path: this.#directory },
    )
  }

  #path(): string {
    return join(this.#directory, this.#name)
  }
}

/**
 * A connection: somebody lives there. `dead`: nobody will ever listen there again. `gone`: it was withdrawn
 * since it was listed. `unknown`: any other failure; who cannot be shown dead is taken for alive.
 */
async function probeSocket(address: string): Promise<Socket | 'dead' | 'gone' | 'unknown'> {
  const socket = connect(address)
  try {
    await once(socket, 'connect')
  } catch (error) {
    const name = errorName(error)
    // A pipe of Windows has no name once its process is dead; a socket file without a name was withdrawn.
    if (name === 'ECONNREFUSED' || (WINDOWS && name === 'ENOENT')) return 'dead'
    // Reset: it stopped listening while we waited to be answered.
    return name === 'ENOENT' || name === 'ECONNRESET' ? 'gone' : 'unknown'
  }
  // What happens to the connection from here on is told by its 'close'.
  socket.on('error', () => {})
  return socket
}

/** Not `once`, which rejects with the error that may come before the end, and the end is all we wait for. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}
