/** Who holds a partition: as long as there is one node, it leads them all. */
import type { PartitionLog } from '../../storage/log/partition-log.ts'

export function replicasOf(log: PartitionLog, nodeId: number) {
  return {
    partition: log.partition,
    leaderId: nodeId,
    leaderEpoch: log.leaderEpoch,
    replicas: [nodeId],
    inSyncReplicas: [nodeId],
  }
}
