/** A process with a pool ends when it wants to, whatever its threads are doing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const program = fileURLToPath(new URL('./leaving-process.js', import.meta.url))
/** Threads end within milliseconds; one that was waited for would be waited for in vain. */
const PATIENCE_MS = 10_000

for (const [how, exitCode, said] of [
  ['idle', 0, 'leaving\n'],
  ['busy', 5, 'leaving\n'],
  ['close', 0, 'leaving\nclosed\n'],
] as const)
  t.test(how, async (t) => {
    const child = spawn(process.execPath, [program, how], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const killed = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    const [code, signal] = await once(child, 'close')
    clearTimeout(killed)
    t.equal(signal, null)
    t.equal(code, exitCode)
    t.equal(text, said)
  })
