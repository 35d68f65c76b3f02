/** What a refusal says, for tests that compare it. */
import type { Test } from 'tap'
import { ProtocolError } from '../../../client/protocol/errors.ts'

/** The message of what `run` throws, which must be a ProtocolError with this code. */
export function refusalOf(t: Test, code: number, run: () => unknown): string {
  try {
    run()
  } catch (caught) {
    if (!(caught instanceof ProtocolError)) throw caught
    t.equal(caught.code, code)
    return caught.message
  }
  t.fail('nothing was refused')
  return ''
}
