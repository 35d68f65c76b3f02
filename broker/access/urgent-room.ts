/**
 * Who may still write what denies when the disk is full: a bound for all together, of which a part is for administrators
 * only, and one for each namespace and each writer, so that nobody uses up what is kept for others. Pure; what it
 * remembers is bounded by what it gives.
 */

/** Entries of a few hundred bytes; what is revoked needs the room that is kept back as well. */
const ALL_MAX = 1_000
/** Of those who are not administrators, altogether, and of each, on each namespace. */
const OTHERS_MAX = 500
const EACH_MAX = 100

export interface UrgentWriter {
  /** In text form. */
  readonly principal: string
  readonly isAdministrator: boolean
  /** What is written is about; undefined: about several. */
  readonly namespace: string | undefined
}

export class UrgentRoom {
  #all = 0
  #others = 0
  /** By namespace and by writer, what others than administrators have taken. */
  readonly #of = new Map<string, number>()

  /** False: there is none for this writer. */
  take(writer: UrgentWriter): boolean {
    if (this.#all >= ALL_MAX) return false
    if (!writer.isAdministrator) {
      const names = namesOf(writer)
      if (this.#others >= OTHERS_MAX || names.some((name) => (this.#of.get(name) ?? 0) >= EACH_MAX))
        return false
      this.#others++
      for (const name of names) this.#of.set(name, (this.#of.get(name) ?? 0) + 1)
    }
    this.#all++
    return true
  }

  /** What was taken was not used. */
  giveBack(writer: UrgentWriter): void {
    // There may have been room again meanwhile.
    if (this.#all > 0) this.#all--
    if (writer.isAdministrator) return
    if (this.#others > 0) this.#others--
    for (const name of namesOf(writer)) {
      const count = this.#of.get(name) ?? 0
      if (count > 1) this.#of.set(name, count - 1)
      else this.#of.delete(name)
    }
  }

  /** There is room for all else again. */
  clear(): void {
    this.#all = 0
    this.#others = 0
    this.#of.clear()
  }
}

function namesOf({ principal, namespace }: UrgentWriter): string[] {
  const by = `by ${principal}`
  return namespace === undefined ? [by] : [by, `in ${namespace}`]
}
