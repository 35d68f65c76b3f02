/** Commands that work on a data directory no broker has open: they take its lock, and give it back. */
import { type DataDirectory, openDataDirectory } from '../../storage/data-directory.ts'
import { StorageError } from '../../storage/segment-store.ts'
import type { SystemPorts } from '../system-ports.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { asFailure, Failure } from './failure.ts'

export async function withDataDirectory(
  path: string,
  ports: SystemPorts,
  context: CommandContext,
  work: (data: DataDirectory) => Promise<number>,
): Promise<number> {
  let data: DataDirectory | undefined
  try {
    data = await openDataDirectory({
      path,
      now: context.nowMs,
      randomUuid: () => Buffer.from(ports.random.bytes(16)).toString('hex'),
      mustExist: true,
    })
    return await work(data)
  } catch (error) {
    if (!(error instanceof StorageError)) throw asFailure(error)
    throw new Failure(exitCodeOf(error), error.message, { cause: error })
  } finally {
    await data?.close()
  }
}

function exitCodeOf({ code }: StorageError): ExitCode {
  if (code === 'DAMAGED') return ExitCode.DAMAGED
  return code === 'WRITE_FAILED' || code === 'NO_SPACE' ? ExitCode.STORAGE : ExitCode.CANNOT_CREATE
}
