/**
 * The words to type to run this program again, so that a hint can be pasted as it is printed: `octopus`
 * when it is installed as a command, else `node` and the path of the file that runs. Pure.
 */
import { basename, relative } from 'node:path'

export function invocation(scriptPath: string, currentDirectory: string): string {
  const name = basename(scriptPath)
  if (name === 'octopus' || name === 'octopus.cmd') return 'octopus'
  const path = relative(currentDirectory, scriptPath)
  const shown = path.startsWith('..') ? scriptPath : path
  return /[\s'"$\\]/.test(shown) ? `node '${shown.replaceAll("'", "'\\''")}'` : `node ${shown}`
}
