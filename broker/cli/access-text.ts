/** How rights and credentials are written for people. Pure. */

export function listed(texts: readonly string[]): string {
  return texts.length === 0 ? '-' : texts.join(', ')
}

/** null: never. Total: a broker may answer with moments that no calendar has. */
export function moment(timeMs: number | null): string {
  if (timeMs === null) return 'never'
  const time = new Date(timeMs)
  return Number.isNaN(time.getTime()) ? `${timeMs} ms since 1970` : time.toISOString()
}

type Scope = readonly { readonly operations: readonly string[]; readonly resource: string }[]

export function scopeText(scope: Scope | null): string {
  if (scope === null) return 'all that the principal may'
  return scope.map(({ operations, resource }) => `${operations.join(',')}:${resource}`).join(' ')
}
