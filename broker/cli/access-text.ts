/** How rights and credentials are written for people. Pure. */

export function listed(texts: readonly string[]): string {
  return texts.length === 0 ? '-' : texts.join(', ')
}

/** null: never. */
export function moment(timeMs: number | null): string {
  return timeMs === null ? 'never' : new Date(timeMs).toISOString()
}

type Scope = readonly { readonly operations: readonly string[]; readonly resource: string }[]

export function scopeText(scope: Scope | null): string {
  if (scope === null) return 'all that the principal may'
  return scope.map(({ operations, resource }) => `${operations.join(',')}:${resource}`).join(' ')
}
