/** The result of `groups` for people. */
import prettyBytes from 'pretty-bytes'
import {
  bars,
  known,
  million,
  milliseconds,
  ratio,
  seconds,
  table,
  thousand,
  title,
  where,
} from '../display/report-parts.ts'
import type { GroupsResult } from './result.ts'

export function groupsReport(result: GroupsResult): string {
  const { cost, join, stay, kill, commits, broker, probes, rounds, config } = result
  return [
    title(`Consumer groups: reading as a member, partitions that move, offsets that are kept`),
    table([
      [
        'in batches',
        ratio(cost.lazy.rateRatio),
        `of the rate without a group, ${million(cost.lazy.ungroupedEventsPerSecond)}`,
      ],
      ['  client CPU', ratio(cost.lazy.clientCpuRatio), 'of that without a group'],
      [
        'event by event',
        ratio(cost.events.rateRatio),
        `of the rate without a group, ${million(cost.events.ungroupedEventsPerSecond)}`,
      ],
      ['  client CPU', ratio(cost.events.clientCpuRatio), 'of that without a group'],
      [
        'a member joins',
        milliseconds(join.maxMs),
        `at most until its partitions are read again, p50 ${milliseconds(join.p50Ms)}; ${config.members} members, ${config.movedPartitions} partitions`,
      ],
      [
        '  unread',
        milliseconds(join.unread.maxMs),
        `at most nobody read them, p50 ${milliseconds(join.unread.p50Ms)}`,
      ],
      [
        '  others',
        `${stay.fetchedAgain}`,
        `events fetched again, of ${stay.partitions} partitions that stayed`,
      ],
      [
        '  their latency',
        milliseconds(stay.latency.p99Ms),
        `p99 meanwhile, ${milliseconds(stay.latencyQuiet.p99Ms)} while nothing changes`,
      ],
      [
        'a member is killed',
        milliseconds(kill.maxMs),
        `at most until others read on; its session is ${milliseconds(config.sessionTimeoutMs)}`,
      ],
      [
        'commits',
        thousand(commits.perSecond),
        `durable, one under way on each of ${config.committers} connections`,
      ],
      ['  broker CPU', known(commits.brokerCpuSecondsPerMillion, seconds), 'for a million commits'],
      ['  client CPU', seconds(commits.clientCpuSecondsPerMillion), 'for a million commits'],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed between the parts'],
    ]),
    bars(
      'From commit to its answer',
      [
        { label: 'p50', value: commits.p50Ms },
        { label: 'p99', value: commits.p99Ms },
        { label: 'max', value: commits.maxMs },
      ].map((row) => ({ ...row, text: milliseconds(row.value) })),
    ),
    bars(
      'Commits a second in each round',
      rounds.commitsPerSecond.map((value, i) => ({ label: `${i + 1}`, value, text: thousand(value) })),
    ),
    where(config.machine),
  ].join('\n\n')
}
