/** The examples that are about consumer groups; part of {@link examples}. */
import { type Api, apis } from '../../../client/protocol/api.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { Example } from './examples.ts'

type Exchange = <Request, Response>(
  api: Api<Request, Response>,
  correlationId: number,
  request: Request,
  response: Response,
) => Example[]

export function groupExamples(
  exchange: Exchange,
  {
    topicId,
    startedAtMs,
    ok,
  }: {
    readonly topicId: Uint8Array
    readonly startedAtMs: number
    readonly ok: { readonly error: number; readonly message: null }
  },
): Example[] {
  return [
    ...exchange(
      apis.groupHeartbeat,
      33,
      {
        groupId: 'seismic.night-shift',
        memberId: '0b8a6f0e-6f3c-4a43-9d53-0e3f2a0c9a11',
        memberEpoch: 0,
        instanceId: null,
        clientName: 'picker-3',
        sessionTimeoutMs: 45_000,
        rebalanceTimeoutMs: 60_000,
        maxProcessingMs: 300_000,
        processingMs: null,
        subscribedTopics: ['seismic.events'],
        assignor: 'uniform',
        revision: 0,
        owned: [{ topicId, partitions: [0, 3] }],
        maxWaitMs: 3_000,
      },
      {
        memberEpoch: 7,
        revision: 4,
        isSettled: false,
        heartbeatIntervalMs: 3_000,
        giveBackWithinMs: 60_000,
        assignment: [{ topicId, topic: 'seismic.events', partitions: [0, 3] }],
        warning: 'it has been at one batch for 240 s; after 300 s its partitions are given to others',
      },
    ),
    ...exchange(
      apis.offsetCommit,
      34,
      {
        groupId: 'seismic.night-shift',
        memberId: '0b8a6f0e-6f3c-4a43-9d53-0e3f2a0c9a11',
        memberEpoch: 7,
        partitions: [
          { topicId, partition: 3, offset: 1_099_511_627_777, leaderEpoch: 0, metadata: 'run 12' },
        ],
      },
      {
        partitions: [{ topicId, partition: 3, ...ok }],
      },
    ),
    ...exchange(
      apis.offsetFetch,
      35,
      {
        groupId: 'seismic.night-shift',
        memberId: null,
        memberEpoch: -1,
        partitions: [{ topicId, partition: 3 }],
      },
      {
        partitions: [
          {
            topicId,
            topic: 'seismic.events',
            partition: 3,
            ...ok,
            offset: 1_099_511_627_777,
            leaderEpoch: 0,
            metadata: 'run 12',
            committedAtMs: startedAtMs,
          },
        ],
      },
    ),
    ...exchange(
      apis.offsetDelete,
      36,
      { groupId: 'seismic.night-shift', partitions: [{ topicId, partition: 3 }] },
      {
        partitions: [
          {
            topicId,
            partition: 3,
            error: ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
            message: 'a member of seismic.night-shift reads seismic.events',
          },
        ],
      },
    ),
    ...exchange(
      apis.listGroups,
      37,
      { states: ['stable'] },
      { groups: [{ groupId: 'seismic.night-shift', kind: 'consumer', state: 'stable', members: 1 }] },
    ),
    ...exchange(
      apis.describeGroups,
      38,
      { groups: ['seismic.night-shift'] },
      {
        groups: [
          {
            groupId: 'seismic.night-shift',
            ...ok,
            kind: 'consumer',
            state: 'stable',
            groupEpoch: 7,
            assignmentEpoch: 7,
            assignor: 'uniform',
            emptySinceMs: null,
            members: [
              {
                memberId: '0b8a6f0e-6f3c-4a43-9d53-0e3f2a0c9a11',
                instanceId: 'picker-3',
                clientName: 'picker-3',
                address: '192.0.2.7',
                memberEpoch: 7,
                state: 'unrevoked',
                subscribedTopics: ['seismic.events'],
                assigned: [{ topicId, topic: 'seismic.events', partitions: [0] }],
                revoking: [{ topicId, topic: 'seismic.events', partitions: [1] }],
                target: [{ topicId, topic: 'seismic.events', partitions: [0, 3] }],
                sessionTimeoutMs: 45_000,
                sinceHeardMs: 1_200,
                maxProcessingMs: 300_000,
                processingMs: 240_000,
                warning: null,
              },
            ],
          },
        ],
      },
    ),
    ...exchange(
      apis.deleteGroups,
      39,
      { groups: ['seismic.night-shift'] },
      { groups: [{ groupId: 'seismic.night-shift', ...ok }] },
    ),
  ]
}
