/** What one source of the configuration says. */

export interface Given {
  readonly value: unknown
  /** Where it was said, for errors: `--listen`, `OCTOPUS_LISTEN`, `octopus.yaml:3`. */
  readonly from: string
}

export interface Source {
  /** By key. */
  readonly given: ReadonlyMap<string, Given>
  readonly problems: readonly string[]
}
