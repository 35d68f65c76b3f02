/** A process that cannot end itself is ended; one that can is left alone, and leaves nobody behind. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const STUCK = fileURLToPath(new URL('stuck-process.js', import.meta.url))

t.test('a process that blocks is killed', async (t) => {
  const child = spawn(process.execPath, [STUCK, 'stuck', '200'], { stdio: 'ignore' })
  t.same(await once(child, 'close'), [null, 'SIGKILL'])
})

t.test('whoever ends in time ends as it wants, and the guardian goes with it', async (t) => {
  const child = spawn(process.execPath, [STUCK, 'exit', '61234'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', (chunk) => (said += chunk))
  t.same(await once(child, 'close'), [0, null])
  t.match(said, /^\d+$/)
  // It ends within moments of the pipe's end; the test's timeout is the bound.
  while (isRunning(Number(said))) await new Promise((resolve) => setTimeout(resolve, 20))
})

/** A process that ended and whose parent has not asked how is none any more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    // There is no such process.
    return false
  }
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' })
  return !stdout.startsWith('Z')
}
