/**
 * Ids of credentials as people write them: alone, as `whoami` shows them, or, by mistake, the whole key. A secret is
 * never said back. Pure.
 */
import { usage } from './failure.ts'

const WHOLE_KEY = /^oct_([a-z0-9]{16})_/

/** The id of an API key: `ID`, `key:ID`, or a key that has it in it. Throws a usage failure. */
export function keyIdOf(text: string): string {
  const whole = WHOLE_KEY.exec(text)
  if (whole) return whole[1]
  if (text.startsWith('oct_'))
    throw usage(
      'this is no id of a key but a part of a whole one: the id is what stands between oct_ and the next _',
    )
  if (text.startsWith('token:')) throw usage('this is the id of a token: octopus token revoke --help')
  return text.startsWith('key:') ? text.slice('key:'.length) : text
}

/** The id of a token: `ID` or `token:ID`. Throws a usage failure. */
export function tokenIdOf(text: string): string {
  if (text.startsWith('oct_') || text.startsWith('key:'))
    throw usage(`this is an API key, and no token: octopus key revoke ${keyIdOf(text)}`)
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text))
    throw usage('this is a whole token; its id is what octopus whoami shows for it behind token:')
  return text.startsWith('token:') ? text.slice('token:'.length) : text
}
