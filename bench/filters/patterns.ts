/**
 * Filters over the JSON events of `bench/events` that none of them matches, though the fields they ask for are there: all the work
 * of looking and nothing to send. One for each kind of rule, and as many different ones as one likes. Pure.
 */

export interface NamedPattern {
  readonly kind: string
  readonly text: string
}

const valuePattern = (kind: string, fields: unknown): NamedPattern => ({
  kind,
  text: JSON.stringify({ value: fields }),
})

/** Each kind of rule by itself. */
export const patternKinds: readonly NamedPattern[] = [
  valuePattern('exact', { 'Wildlife Size': ['Enormous'] }),
  valuePattern('exact, nested', { origin: { iata: ['ZZZ'] }, destination: { iata: ['ZZZ'] } }),
  valuePattern('prefix', { place: [{ prefix: '1000km ' }] }),
  valuePattern('suffix', { Title: [{ suffix: ' of Nowhere' }] }),
  valuePattern('equals-ignore-case', { common_name: [{ 'equals-ignore-case': 'american octopus' }] }),
  valuePattern('anything-but', { 'Wildlife Size': [{ 'anything-but': ['Small', 'Medium', 'Large'] }] }),
  valuePattern('numeric', { distance: [{ numeric: ['>', 100_000] }] }),
  valuePattern('exists', { 'Wildlife Size': [{ exists: true }], common_name: [{ exists: true }] }),
  valuePattern('exists: false', {
    delay: [{ exists: false }],
    common_name: [{ exists: false }],
    Title: [{ exists: false }],
    'Airport Name': [{ exists: false }],
    longitude: [{ exists: false }],
  }),
  valuePattern('cidr', { 'Airport Name': [{ cidr: '10.0.0.0/8' }] }),
  valuePattern('wildcard', { 'Airport Name': [{ wildcard: '*A*R*P*T*!*' }] }),
  valuePattern('$or', {
    $or: [
      { 'Wildlife Size': ['Enormous'] },
      { distance: [{ numeric: ['<', 0] }] },
      { Title: [{ prefix: 'Zzyzx' }] },
    ],
  }),
  { kind: 'text of the value', text: JSON.stringify({ value: [{ wildcard: '*nowhere to be found*' }] }) },
  { kind: 'timestamp', text: JSON.stringify({ timestamp: [{ numeric: ['<', 1000] }] }) },
]

const makers: readonly ((i: number) => unknown)[] = [
  (i) => ({ origin: { iata: [`Q${i}`] } }),
  (i) => ({ item_id: [`58fa3f0be4b0b7ea5452-${i}`] }),
  (i) => ({ 'Airport Name': [{ prefix: `NOWHERE ${i}` }] }),
  (i) => ({ place: [{ suffix: `, Atlantis ${i}` }] }),
  (i) => ({ distance: [{ numeric: ['>', 100_000 + i] }] }),
  (i) => ({ Title: [{ 'equals-ignore-case': `the octopus ${i}` }], 'US Gross': [{ numeric: ['>=', i] }] }),
  (i) => ({ 'Flight Date': [`2026-${i}`], 'Wildlife Size': [{ 'anything-but': 'Small' }] }),
  (i) => ({ common_name: [{ wildcard: `*octopus*${i}*` }] }),
]

/** So many different ones: eight kinds in turn, among them all that look into texts. */
export function differentPatterns(count: number): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ value: makers[i % makers.length](i) }))
}

/** So many of the commonest kind, each different: a field that few events have. */
export function exactPatterns(count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => valuePattern('exact', { 'Wildlife Size': [`Enormous ${i}`] }).text,
  )
}

/** What about one event in a hundred matches: for what filters save of the network. */
export const SELECTIVE_PATTERN = JSON.stringify({ value: { origin: { iata: ['LAX'] } } })
