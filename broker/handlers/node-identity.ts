/** Who this node is to its clients. */
export interface NodeIdentity {
  readonly nodeId: number
  readonly clusterId: string
  /** Where clients reach it; known once it listens. */
  url(): string
}

/** The identity of the storage, and the address once there is one. */
export class ListeningIdentity implements NodeIdentity {
  readonly nodeId: number
  readonly clusterId: string
  #url = ''

  constructor({ nodeId, clusterId }: Pick<NodeIdentity, 'nodeId' | 'clusterId'>) {
    this.nodeId = nodeId
    this.clusterId = clusterId
  }

  listensAt(url: string): void {
    this.#url = url
  }

  url(): string {
    return this.#url
  }
}
