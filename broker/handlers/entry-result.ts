/** What becomes of one entry of a request: its neighbours are not disturbed by its failure. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { isUnexpected, refusalOf } from '../refusal.ts'

export interface EntryResult {
  readonly error: number
  readonly message: string | null
}

export const DONE: EntryResult = { error: ErrorCode.NONE, message: null }

/** @param onProblem told of errors nobody expected; the caller learns only that there was one */
export async function entryResult(
  run: () => Promise<void>,
  onProblem: (error: Error) => void,
): Promise<EntryResult> {
  try {
    await run()
    return DONE
  } catch (error) {
    const refusal = refusalOf(error)
    if (isUnexpected(refusal)) onProblem(error as Error)
    return { error: refusal.code, message: refusal.message }
  }
}
