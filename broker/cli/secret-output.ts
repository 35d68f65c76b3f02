/**
 * Where a new key or token goes: to standard output, alone on its line, or with `--out` into a new file that only its
 * owner may read, and then nowhere else. The file is taken before the secret is made: what is shown only once is not
 * made where it could not be kept, and nothing is ever overwritten.
 */
import { newSecretFile } from '../access/secret-file.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'

export interface SecretFlags {
  readonly json?: true
  readonly out?: string
}

export interface MadeSecret {
  readonly secret: string
  /** What JSON says of it, the secret under its usual name. */
  readonly fields: Readonly<Record<string, unknown>>
  /** What is said to people beside it. */
  readonly sentence: string
}

export async function showSecret(
  { out, json }: SecretFlags,
  context: CommandContext,
  make: () => Promise<MadeSecret>,
): Promise<void> {
  if (out === '' || out === '-')
    throw usage(`--out ${JSON.stringify(out)} names no file; leave --out away to have it on standard output`)
  if (out === undefined) {
    const { secret, fields, sentence } = await make()
    context.out.write(json ? `${JSON.stringify(fields)}\n` : `${secret}\n`)
    if (!json) context.err.say(`octopus: ${sentence}; it is shown this once`)
    return
  }
  const file = await newSecretFile(out).catch((error) => {
    throw refusalOf(error, out)
  })
  let made: MadeSecret
  try {
    made = await make()
  } catch (error) {
    await file.discard()
    throw error
  }
  const { secret, fields, sentence } = made
  await file.write(`${secret}\n`).catch((error) => {
    const lost = `it cannot be kept in ${out} (${(error as Error).message}); revoke it, and make another one`
    throw new Failure(ExitCode.CANNOT_CREATE, `${sentence}, but ${lost}`, { cause: error })
  })
  const others = Object.entries(fields).filter(([, value]) => value !== secret)
  if (json) context.out.write(`${JSON.stringify({ ...Object.fromEntries(others), file: out })}\n`)
  else context.out.say(`${sentence}; it is in ${out}, and nowhere else`)
}

function refusalOf(error: unknown, path: string): Failure {
  if ((error as NodeJS.ErrnoException).code === 'EEXIST')
    return usage(`--out ${path}: there is something already, and it is not overwritten; give another name`)
  return new Failure(ExitCode.CANNOT_CREATE, `--out ${path}: ${(error as Error).message}`, { cause: error })
}
