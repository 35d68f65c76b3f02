/**
 * A small file system of its own (a tmpfs), and another process that fills it. For tests that ask for
 * `requireTool('tmpfs')`.
 */
import { execFile } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const FILLER = 'filler'

export class SmallDisk {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async mount(bytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), 'octopus-disk-'))
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path])
    return new SmallDisk(path)
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** Another process writes until there is no byte left. */
  async fill(): Promise<void> {
    // It ends with the error that it is written for.
    await run('dd', [
      'if=/dev/zero',
      `of=${join(this.path, FILLER)}`,
      'bs=1M',
      'oflag=append',
      'conv=notrunc',
    ]).catch((error: Error) => {
      if (!/No space left/.test(error.message)) throw error
    })
  }

  async empty(): Promise<void> {
    await rm(join(this.path, FILLER), { force: true })
  }

  async unmount(): Promise<void> {
    await run('umount', [this.path])
    await rm(this.path, { recursive: true })
  }
}
