/**
 * Ends a process that cannot end itself: exiting waits for every thread, and one that waits for a disk which
 * hangs waits for ever. Another process stands by and kills this one if it is still there after a time. If this one ends in time
 * the other notices, because the pipe between them closes, and ends too.
 */
import { spawn } from 'node:child_process'

const GUARDIAN = `
process.stdin.on('end', () => process.exit()).resume()
setTimeout(() => process.kill(Number(process.argv[1]), 'SIGKILL'), Number(process.argv[2]))
`

/** From now on this process has so long to end. Returns the id of the process that stands by, if it could be started. */
export function killWhenStuck(afterMs: number, onError: (error: Error) => void): number | undefined {
  const command = ['--eval', GUARDIAN, String(process.pid), String(afterMs)]
  const guardian = spawn(process.execPath, command, { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  guardian.on('error', onError)
  guardian.unref()
  return guardian.pid
}
