/** The topics there are, as groups see them, for whoever makes and deletes them at will. */
import type { GroupTopic, GroupTopics } from '../../../../broker/groups/decision.ts'

/** Sixteen characters, as keys of topics have. */
export function keyOf(id: string): string {
  return id.padEnd(16, '.')
}

export class FakeTopics implements GroupTopics {
  readonly #topics = new Map<string, GroupTopic>()
  revision = 1

  byName(name: string): GroupTopic | undefined {
    return this.#topics.get(name)
  }

  byKey(topicKey: string): GroupTopic | undefined {
    return [...this.#topics.values()].find((topic) => topic.topicKey === topicKey)
  }

  /** Size 0: it is deleted. With another id: it is created again. */
  topic(name: string, size: number, id = name): void {
    this.revision++
    if (size === 0) this.#topics.delete(name)
    else this.#topics.set(name, { name, topicKey: keyOf(id), partitions: size })
  }
}
