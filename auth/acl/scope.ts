/**
 * A scope makes a credential narrower than its principal. Nobody may make himself a wider one with it: what he
 * gives a new credential lies within the scope of his own.
 */
import type { Scope } from '../identity.ts'
import { allowedBy, bitsOf } from './operation.ts'
import { coversPattern } from './resource.ts'

/** Whether all that `inner` contains is in `outer`; undefined: everything. */
export function isWithinScope(inner: Scope | undefined, outer: Scope | undefined): boolean {
  if (!outer) return true
  if (!inner) return false
  return inner.every((part) => {
    let missing = allowedBy(bitsOf(part.operations))
    for (const { operations, resource } of outer)
      if (coversPattern(resource, part.resource)) missing &= ~allowedBy(bitsOf(operations))
    return missing === 0
  })
}
