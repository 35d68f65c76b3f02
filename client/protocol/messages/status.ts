/** Status: what one node is and how it fares, for people and for scripts. */
import {
  boolean,
  field,
  float64,
  int32,
  int53,
  list,
  nullable,
  struct,
  type TypeOf,
  text,
  uint32,
  withDefault,
} from '../schema.ts'

export const statusRequest = struct('StatusRequest', {})

export const statusResponse = struct('StatusResponse', {
  nodeId: field(int32, 'Id of the node within its cluster.'),
  clusterId: field(text(64), 'Id of the cluster.'),
  software: field(text(64), 'Name and version of the server program.'),
  nodeVersion: field(text(64), 'Version of the runtime it runs on.'),
  pid: field(int53, 'Process id on its machine.'),
  startedAtMs: field(int53, 'When the process started, ms since 1970.'),
  nowMs: field(int53, 'The node’s clock, ms since 1970.'),
  ready: field(boolean, 'Whether the node serves requests.'),
  reason: field(nullable(text()), 'Why the node is not ready; null when it is.'),
  url: field(text(2048), 'Where clients reach the node.'),
  dataDirectory: field(text(), 'Where the node keeps its data.'),
  topics: field(uint32, 'Topics, internal ones included.'),
  partitions: field(uint32, 'Partitions this node holds.'),
  connections: field(uint32, 'Open client connections.'),
  storage: field(
    struct('StorageStatus', {
      kind: field(text(64), 'What stores the data.'),
      segments: field(uint32, 'Segments that hold data.'),
      bytes: field(int53, 'Bytes the segments take on disk.'),
      freeBytes: field(int53, 'Bytes left on that disk.'),
      commits: field(int53, 'Commits since the process started.'),
      committedBytes: field(int53, 'Bytes made durable since the process started.'),
      state: field(
        withDefault(text(16), 'ok'),
        'How the disk is: `ok`, `warning` while it is filling, `read-only` while it is too full to take events.',
      ),
      stateReason: field(nullable(text()), 'Why the state is not `ok`; null when it is.'),
      fullInMs: field(
        nullable(int53),
        'Time until no more events are taken at the present rate, in ms; null: the disk is not filling.',
      ),
    }),
    'The log on disk.',
  ),
  process: field(
    struct('ProcessStatus', {
      rssBytes: field(int53, 'Resident memory.'),
      heapBytes: field(int53, 'JavaScript heap in use.'),
      cpuSeconds: field(float64, 'CPU time since the process started, user and system.'),
    }),
    'What the process uses.',
  ),
  warnings: field(list(text()), 'What a person should look at, one sentence each.'),
  producers: field(
    withDefault(
      struct('ProducersStatus', {
        names: field(uint32, 'Names of producers.'),
        ids: field(uint32, 'Producers the partitions remember, counted once per partition.'),
        idsMax: field(uint32, 'How many there may be; the longest unused is forgotten first.'),
      }),
      { names: 0, ids: 0, idsMax: 0 },
    ),
    'Idempotent producers.',
  ),
  groups: field(
    withDefault(
      struct('GroupsStatus', {
        groups: field(uint32, 'Consumer groups, empty ones included.'),
        members: field(uint32, 'Members of all groups.'),
        heldHeartbeats: field(uint32, 'Heartbeats that wait for news.'),
        commits: field(int53, 'Requests to keep offsets since the process started.'),
        committedOffsets: field(int53, 'Offsets kept since then, each of one partition.'),
        rebalances: field(int53, 'Assignments made since then.'),
      }),
      { groups: 0, members: 0, heldHeartbeats: 0, commits: 0, committedOffsets: 0, rebalances: 0 },
    ),
    'Consumer groups.',
  ),
  codecPool: field(
    withDefault(
      struct('CodecPoolStatus', {
        workers: field(uint32, 'Threads for work on records that are up.'),
        workersMax: field(uint32, 'How many there may be.'),
        queuedBytes: field(int53, 'Bytes of such work that wait or are at work.'),
        tasks: field(int53, 'Pieces of work done on threads since the process started.'),
        refused: field(int53, 'Pieces refused since then because there was no room.'),
        deaths: field(int53, 'Threads that ended by themselves or were stuck since then.'),
      }),
      { workers: 0, workersMax: 0, queuedBytes: 0, tasks: 0, refused: 0, deaths: 0 },
    ),
    'Threads that pack, unpack and search records.',
  ),
})

export type StatusRequest = TypeOf<typeof statusRequest>
export type StatusResponse = TypeOf<typeof statusResponse>
