/** Who this node is to its clients. */
export interface NodeIdentity {
  readonly nodeId: number
  readonly clusterId: string
  /** Where clients reach it; known once it listens. */
  url(): string
}
