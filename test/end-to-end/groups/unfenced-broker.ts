/**
 * A broker with a mistake: it takes a commit from whoever sends it. The checker runs on it, too, to show that it would notice.
 * Takes the arguments of `octopus serve`.
 */
import { pino } from 'pino'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { GroupCoordinator } from '../../../broker/groups/group-coordinator.ts'
import { startNode } from '../../../broker/node.ts'
import { openNodeStorage } from '../../../broker/node-storage.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'

GroupCoordinator.prototype.commitOffsets = ({ groupId, offsets }, { nowMs: commitTimeMs }) => ({
  records: offsets.map(({ topicKey, partition, ...committed }) => ({
    kind: 'offset',
    groupId,
    topicKey,
    partition,
    value: { ...committed, commitTimeMs },
  })),
  answer: { offsets: offsets.map(() => ({ error: 0, message: null })) },
  nextDeadlineMs: Number.POSITIVE_INFINITY,
})

const flag = (name: string) => process.argv[process.argv.indexOf(name) + 1]

await startNode({
  config: loadConfig({
    flags: { data: flag('--data'), listen: flag('--listen'), 'storage.segmentBytes': '16MiB' },
    env: {},
    readFile: () => '',
  }),
  logger: pino({ level: 'warn' }),
  transport: await loadUwsTransport(),
  ...systemPorts(),
  openStorage: openNodeStorage,
})
