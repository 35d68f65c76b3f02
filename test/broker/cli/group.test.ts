/** `octopus group` and `octopus consume --group`, and the administration of groups below them, against a real broker. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { topicPartitions } from '../../../broker/cli/group-reset.ts'
import { describedGroup, partitionRanges, resetText } from '../../../broker/cli/group-text.ts'
import { connect } from '../../../client/index.ts'
import type { ProtocolError } from '../../../client/protocol/errors.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { ended, inProcess, type RunOptions, start, startBroker } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-group-'))
const broker = await startBroker(join(directory, 'data'))
const client = await connect({ url: broker.url, token: ADMIN_KEY })
const admin = client.admin()
await admin.createNamespace('lab')

t.teardown(async () => {
  await client.close()
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
})

const octopus = (line: string, options: RunOptions = {}) =>
  inProcess([...line.split(' '), '--url', broker.url], options)

const NOON = Date.parse('2024-05-01T12:00:00Z')

/** Event `n` goes to the partition `n` modulo 2, n seconds after noon. */
async function topicOf(name: string, count: number): Promise<void> {
  await admin.createTopic(name, { partitions: 2, configs: { 'retention.ms': '-1' } })
  await produce(name, 0, count)
}

async function produce(name: string, from: number, to: number): Promise<void> {
  const producer = client.producer()
  for (let n = from; n < to; n++)
    await producer.append(name, { value: `${n}`, partition: n % 2, timestampMs: NOON + n * 1_000 })
  const { failed, error } = await producer.flush()
  if (failed > 0) throw error
  await producer.close()
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return (error as ProtocolError).name
  }
}

const offsetsOf = async (group: string) =>
  (await admin.groupOffsets(group)).map(({ partition, offset, lag }) => [partition, offset, lag])

t.test('consume: what was printed is kept, and another goes on behind it', async (t) => {
  await topicOf('kept', 100)
  const first = await octopus('consume kept --group lab.kept --from earliest --max 30')
  t.equal(first.exitCode, 0, first.err)
  const printed = first.out.trimEnd().split('\n').map(Number)
  t.equal(printed.length, 30)
  const lags = (await offsetsOf('lab.kept')).map(([, , lag]) => lag as number)
  t.equal(lags[0] + lags[1], 70, 'exactly what was printed, in the middle of a batch, too')

  const second = await octopus('consume kept --group lab.kept --until-end')
  t.equal(second.exitCode, 0, second.err)
  const all = [...printed, ...second.out.trimEnd().split('\n').map(Number)]
  t.same(
    all.sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, n) => n),
    'each once',
  )
  t.same(await offsetsOf('lab.kept'), [
    [0, 50, 0],
    [1, 50, 0],
  ])
  t.equal((await admin.describeGroup('lab.kept')).members.length, 0, 'it has left')
})

t.test('consume: two share the partitions, and the one that stays takes over', async (t) => {
  await topicOf('shared', 0)
  const command = ['consume', 'shared', '--group', 'shared', '--from', 'earliest', '--url', broker.url]
  const processes = [start(command), start(command)]
  const [a, b] = processes.map(ended)
  for (;;) {
    const offsets = await admin.groupOffsets('shared').catch(() => [])
    const readers = new Set(offsets.map(({ memberId }) => memberId))
    if (offsets.length === 2 && readers.size === 2 && !readers.has(null)) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const described = await octopus('group describe shared')
  t.match(described.out, /state +stable, 2 members/)
  t.match(described.out, /octopus-cli \w+ +127\.0\.0\.1 +stable +0 +\S+ +\S+ ago +shared:[01]/)
  // Printed by whoever is watched here is committed when the process has left.
  const got = new Promise<void>((resolve) => {
    let lines = 0
    for (const { stdout } of processes)
      stdout!.on('data', (chunk: Buffer) => {
        lines += chunk.toString().split('\n').length - 1
        if (lines === 20) resolve()
      })
  })
  await produce('shared', 0, 20)
  await got
  processes[0].kill('SIGINT')
  const { exitCode, err } = await a
  t.same([exitCode, err], [0, ''])
  processes[1].kill('SIGINT')
  t.equal((await b).exitCode, 0)
  t.same(await offsetsOf('shared'), [
    [0, 10, 0],
    [1, 10, 0],
  ])
})

t.test('consume: an instance that has left is expected back, and goes on with what it read', async (t) => {
  await topicOf('named', 10)
  const ran = await octopus('consume named --group named --instance a --from earliest --until-end')
  t.equal(ran.out.split('\n').length - 1, 10)
  const [member] = (await admin.describeGroup('named')).members
  t.match(member, { instanceId: 'a', state: 'away', target: [{ topic: 'named', partitions: [0, 1] }] })
  const reset = await octopus('group reset named --to earliest --yes')
  t.equal(reset.exitCode, 1)
  t.match(reset.err, /has a member, who left and may come back for \d+ s more/)
  await produce('named', 10, 14)
  const again = await octopus('consume named --group named --instance a --max 4')
  t.same(again.out.trimEnd().split('\n').sort(), ['10', '11', '12', '13'])
})

t.test('consume: what does not go with a group is refused, and what would be right is said', async (t) => {
  await topicOf('plain', 1)
  for (const [flags, expected] of [
    ['--group g --last 3', /--last does not go with --group.*group reset/],
    ['--group g --from 12', /--from OFFSET does not go with --group/],
    ['--group g --partition 0', /--partition does not go with --group/],
    ['--group g --from earliest --to 5', /--to does not go with --group/],
    ['--group g --order time', /--order does not go/],
    ['--group g --from earliest --speed 2', /--speed does not go/],
    ['--instance a', /give --group/],
  ] as const) {
    const { exitCode, err, out } = await octopus(`consume plain ${flags}`)
    t.equal(exitCode, 64, flags)
    t.match(err, expected)
    t.equal(out, '')
  }
  const bad = await octopus('consume plain --group no/name')
  t.equal(bad.exitCode, 1)
  t.match(bad.err, /the group name "no\/name".*\(INVALID_GROUP_ID\)/)
})

t.test('list', async (t) => {
  const { out } = await octopus('group list')
  t.match(out, /^GROUP +STATE +MEMBERS\n/)
  t.match(out, /lab\.kept +empty +0\n/)
  const listed = JSON.parse((await octopus('group list --state empty --json')).out)
  t.match(listed, [
    { groupId: 'lab.kept', kind: 'consumer', state: 'empty', members: 0 },
    { groupId: 'shared' },
  ])
  const none = await octopus('group list --state assigning --state reconciling')
  t.same([none.exitCode, none.out], [0, ''])
  t.match(none.err, /no groups that are assigning or reconciling/)
  const wrong = await octopus('group list --state busy')
  t.equal(wrong.exitCode, 64)
  t.match(wrong.err, /must be one of: empty, assigning, reconciling, stable/)
})

t.test('describe: the lag first', async (t) => {
  await produce('kept', 100, 110)
  const { out, exitCode } = await octopus('group describe lab.kept')
  t.equal(exitCode, 0)
  const lines = out.split('\n')
  t.match(lines[0], /^group +lab\.kept$/)
  t.match(lines[1], /^state +empty for \d+s$/)
  t.match(lines[2], /^lag +10 events in 2 of 2 partitions$/)
  t.match(out, /kept +0 +50 +0 +55 +5 +-\n/)
  const described = JSON.parse((await octopus('group describe lab.kept --json')).out)
  t.match(described, {
    groupId: 'lab.kept',
    state: 'empty',
    lag: 10,
    offsets: [{ partition: 0, lag: 5 }, {}],
  })
})

t.test('reset: shows, asks, does exactly that', async (t) => {
  const dry = await octopus('group reset lab.kept --to earliest --dry-run')
  t.equal(dry.exitCode, 0)
  t.match(dry.out, /kept +0 +50 +\S+ +0\n/)
  t.match(dry.out, /100 events will be read again, 0 events skipped/)
  const untouched = [
    [0, 50, 5],
    [1, 50, 5],
  ]
  t.same(await offsetsOf('lab.kept'), untouched)

  const nobody = await octopus('group reset lab.kept --to latest')
  t.equal(nobody.exitCode, 64)
  t.match(nobody.err, /add --yes/)
  const no = await octopus('group reset lab.kept --to latest', { answer: 'no' })
  t.equal(no.exitCode, 1)
  t.match(no.err, /nothing was reset/)
  t.same(await offsetsOf('lab.kept'), untouched)

  const yes = await octopus('group reset lab.kept --by -7', { answer: 'yes' })
  t.match(yes.out, /reset group lab\.kept in 2 partitions/)
  t.same(await offsetsOf('lab.kept'), [
    [0, 43, 12],
    [1, 43, 12],
  ])
  // Event n is n seconds after noon: 81 is the first not older, the 41st of partition 1; in partition 0 it is 82.
  const time = new Date(NOON + 80_500).toISOString()
  const timed = JSON.parse((await octopus(`group reset lab.kept --to @${time} --yes --json`)).out)
  t.match(timed, { groupId: 'lab.kept', done: true, offsets: [{ newOffset: 41 }, { newOffset: 40 }] })
  t.same(await offsetsOf('lab.kept'), [
    [0, 41, 14],
    [1, 40, 15],
  ])
  await octopus('group reset lab.kept --topic kept:1 --to 99 --yes')
  t.same(
    await offsetsOf('lab.kept'),
    [
      [0, 41, 14],
      [1, 55, 0],
    ],
    'only that partition, and no farther than its end',
  )
  const same = await octopus('group reset lab.kept --topic kept:1 --to latest')
  t.match(same.out, /nothing to change/)
})

t.test('reset: refused', async (t) => {
  for (const [line, exitCode, expected] of [
    ['group reset lab.kept', 64, /either --to POSITION or --by COUNT/],
    ['group reset lab.kept --to 5 --by 5', 64, /either --to POSITION or --by COUNT/],
    ['group reset lab.kept --to soon', 64, /--to: "soon" is no place to start/],
    ['group reset lab.kept --by much', 64, /whole number/],
    ['group reset lab.kept --to 5 --topic kept:x', 64, /neither a topic nor some of its partitions/],
    ['group reset lab.kept --to 5 --topic kept:7', 1, /topic kept has partitions 0 to 1, not 7/],
    ['group reset lab.kept --to 5 --topic missing', 1, /there is no topic named "missing"/],
    [
      'group reset lab.none --to 5',
      1,
      /there is no group "lab\.none" that you may see\. There is: lab\.kept/,
    ],
    ['group describe lab.none', 1, /there is no group "lab\.none"/],
    ['group delete lab.none --yes', 1, /there is no group "lab\.none"/],
    ['group describe no/name', 1, /the group name "no\/name"/],
  ] as const) {
    const ran = await octopus(line)
    t.equal(ran.exitCode, exitCode, line)
    t.match(ran.err, expected)
    t.equal(ran.out, '')
  }
})

t.test('while somebody is in it nothing of a group is changed from outside', async (t) => {
  await topicOf('busy', 4)
  const consumer = client.consumer({ topics: ['busy'], group: 'busy', from: 'earliest' })
  await consumer.ready()
  const events = consumer[Symbol.asyncIterator]()
  for (let n = 0; n < 4; n++) await events.next()
  await consumer.commit()

  const reset = await octopus('group reset busy --to earliest --yes')
  t.equal(reset.exitCode, 1)
  t.match(reset.err, /group busy has a member, who would go on where they are.*NON_EMPTY_GROUP/)
  const removed = await octopus('group delete busy --yes')
  t.equal(removed.exitCode, 1)
  t.match(removed.err, /NON_EMPTY_GROUP/)
  t.equal(await codeOf(admin.deleteOffsets('busy', ['busy'])), 'GROUP_SUBSCRIBED_TO_TOPIC')
  t.same(await offsetsOf('busy'), [
    [0, 2, 0],
    [1, 2, 0],
  ])
  await consumer.close()

  t.same(await admin.deleteOffsets('busy', [{ topic: 'busy', partition: 1 }, 'kept']), [
    { topic: 'busy', partition: 1 },
  ])
  t.same(await offsetsOf('busy'), [[0, 2, 0]])
  const shift = await admin.resetOffsets('busy', { to: { by: -1 }, of: ['busy'] })
  t.match(shift, [
    { partition: 0, offset: 2, newOffset: 1, note: null },
    { partition: 1, offset: null, newOffset: null, note: /no offset here/ },
  ])
  t.same(await offsetsOf('busy'), [[0, 1, 1]])
})

t.test('a topic that was deleted and created again is another: the group has nothing in it', async (t) => {
  await topicOf('again', 4)
  await octopus('consume again --group again --from earliest --until-end')
  t.equal((await offsetsOf('again')).length, 2)
  await admin.deleteTopic('again')
  await topicOf('again', 6)
  t.same(await offsetsOf('again'), [])
  const { exitCode, err } = await octopus('group reset again --to earliest --yes')
  t.equal(exitCode, 1)
  t.match(err, /has no offset yet: say with --topic/)
})

t.test('delete: asks for the name', async (t) => {
  const no = await octopus('group delete lab.kept', { answer: 'yes' })
  t.equal(no.exitCode, 1)
  t.match(no.err, /nothing deleted/)
  t.equal((await octopus('group delete lab.kept')).exitCode, 64)
  const yes = await octopus('group delete lab.kept', { answer: 'lab.kept' })
  t.same([yes.exitCode, yes.out], [0, 'deleted group lab.kept\n'])
  t.equal(await codeOf(admin.describeGroup('lab.kept')), 'GROUP_ID_NOT_FOUND')
})

t.test('words for people', async (t) => {
  t.equal(partitionRanges([7, 0, 1, 3, 2]), '0-3,7')
  t.equal(partitionRanges([]), '')
  t.same(topicPartitions('a.b'), ['a.b'])
  t.same(topicPartitions('a.b:0,2-3'), [
    { topic: 'a.b', partition: 0 },
    { topic: 'a.b', partition: 2 },
    { topic: 'a.b', partition: 3 },
  ])
  for (const text of ['a:', ':1', 'a:3-1', 'a:1,', 'a:0-999999999', 'a:-1'])
    t.throws(() => topicPartitions(text), { message: /neither a topic nor/ })

  const place = { topic: 'a', partition: 0, logStartOffset: 100, logEndOffset: 200 }
  const text = resetText([{ ...place, offset: 50, newOffset: 110, note: null }])
  t.match(text, /0 events will be read again, 10 events skipped/, 'what is not kept is not skipped')

  const member = {
    memberId: '01234567-89ab',
    instanceId: null,
    clientName: 'camera\u001b[2J',
    address: '10.0.0.1',
    memberEpoch: 3,
    state: 'stable',
    subscribedTopics: ['a'],
    assigned: [{ topic: 'a', partitions: [0, 1] }],
    revoking: [],
    target: [],
    sessionTimeoutMs: 45_000,
    sinceHeardMs: 2_000,
    maxProcessingMs: 300_000,
    processingMs: 160_000,
    warning: 'it has been at one event for 160 s of the 300 it may',
  }
  const group = {
    groupId: 'g',
    kind: 'consumer',
    state: 'stable',
    groupEpoch: 3,
    assignmentEpoch: 3,
    assignor: 'uniform',
    emptySinceMs: null,
    members: [{ ...member, memberId: 'fast', clientName: 'fast', warning: null, processingMs: null }, member],
  }
  const offset = { ...place, offset: 90, metadata: '', committedAtMs: 1, lag: 100, memberId: member.memberId }
  const lines = describedGroup(group, [offset, { ...offset, partition: 1, offset: null, lag: null }], 0)
  t.match(lines, /lag +100 events in 1 of 2 partitions; nothing committed yet in 1\n/)
  t.match(lines, /warning +camera\\u\{001B\}\[2J 01234567: it has been at one event/)
  t.match(lines, /warning +10 events in 1 partition went by retention before they were read/)
  t.ok(lines.indexOf('a:0-1') > 0 && !lines.includes('\u001b'))
  const order = [...lines.matchAll(/^(camera|fast)\S*.*10\.0\.0\.1/gm)].map(([, name]) => name)
  t.same(order, ['camera', 'fast'], 'who is slow stands first')
})
