/** Runs one command line to its end: the exit code, and what there is to say about a failure said. */
import type { CommandContext } from './context.ts'
import { asFailure, failureText } from './failure.ts'
import { run } from './program.ts'

/** Never rejects: every failure is a line on standard error and an exit code. */
export async function execute(args: readonly string[], context: CommandContext): Promise<number> {
  let exitCode: number
  try {
    exitCode = await run(args, context)
    await context.out.flush()
  } catch (error) {
    exitCode = tell(error, context)
  }
  await context.err.flush()
  return exitCode
}

/** Writes the line of a failure, with the stack below it where OCTOPUS_DEBUG=1; returns its exit code. */
export function tell(error: unknown, { err, env }: CommandContext): number {
  const failure = asFailure(error)
  err.write(failureText(failure, env.OCTOPUS_DEBUG === '1'))
  return failure.exitCode
}
