/** Status: what one node is and how it fares, for people and for scripts. */
import { boolean, float64, int32, int53, list, nullable, struct, text, uint32 } from '../schema.ts'

export const statusRequest = struct('StatusRequest', {})

export const statusResponse = struct('StatusResponse', {
  nodeId: int32,
  clusterId: text(64),
  software: text(64),
  nodeVersion: text(64),
  pid: int53,
  startedAtMs: int53,
  nowMs: int53,
  ready: boolean,
  /** Why the node is not ready; null when it is. */
  reason: nullable(text()),
  url: text(2048),
  dataDirectory: text(),
  topics: uint32,
  partitions: uint32,
  connections: uint32,
  storage: struct('StorageStatus', {
    kind: text(64),
    segments: uint32,
    bytes: int53,
    freeBytes: int53,
    commits: int53,
    committedBytes: int53,
  }),
  process: struct('ProcessStatus', { rssBytes: int53, heapBytes: int53, cpuSeconds: float64 }),
  warnings: list(text()),
})
