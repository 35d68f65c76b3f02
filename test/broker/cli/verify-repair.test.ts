/** `octopus verify --repair` from the damage to a consumer that reads on behind it; refused, asked, killed and run again. */
import { once } from 'node:events'
import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { batchesOf, load, placeOf, plant, scanOf } from '../../storage/verify/planted-data.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import { inProcess, start, startBroker } from './octopus.ts'

const KILLS = process.env.OCTOPUS_SOAK === '1' ? 60 : 6

const directory = await mkdtemp(join(tmpdir(), 'octopus-repair-cli-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))

/** Turns a bit of the last byte of a value: it belongs to its last record. */
async function damage(data: string, segment: number, sequence: number): Promise<void> {
  const segments = await load(data)
  const value = scanOf(segments, segment).value(sequence)
  if (value === undefined) throw new Error('no value')
  const at = placeOf(segments, segment, sequence) + value.length - 1
  const handle = await open(segmentPath(join(data, 'shard-0'), segment), 'r+')
  await handle.write(Uint8Array.of(value[value.length - 1] ^ 1), 0, 1, at)
  await handle.close()
}

t.test('from the damage to the consumer', async (t) => {
  const data = join(directory, 'data')
  let broker = await startBroker(data)
  await inProcess(['topic', 'create', 'readings', '--url', broker.url])
  for (const line of ['one', 'two', 'three', 'four'])
    t.match(await inProcess(['produce', 'readings', '--url', broker.url], { stdin: `${line}\n` }), {
      exitCode: 0,
    })
  await broker.stop()
  const [{ id }] = (await load(data)).manifest
  const scan = scanOf(await load(data), id)
  const sequence = Array.from({ length: scan.valueCount }, (_, index) => index).find((index) =>
    Buffer.from(scan.value(index) ?? []).includes('two'),
  )
  if (sequence === undefined) throw new Error('the value is not found')
  await damage(data, id, sequence)
  t.equal((await inProcess(['verify', '--data', data])).exitCode, 65)

  const files = await readdir(join(data, 'shard-0'))
  const dry = await inProcess(['verify', '--data', data, '--repair', '--dry-run'])
  t.equal(dry.exitCode, 65)
  t.match(
    dry.out,
    new RegExp(
      `\nWhat a repair would do:\n {2}write segment ${id} anew \\(.*, the active one\\), the damaged file is kept\n`,
    ),
  )
  t.match(dry.out, /\nTOPIC +PARTITION +OFFSETS +BYTES +WHICH\nreadings +0 +1 +\d+ B +1\n/)
  t.match(await inProcess(['verify', '--data', data, '--repair']), {
    exitCode: 64,
    err: /nobody is there: add --yes/,
  })
  t.match(await inProcess(['verify', '--data', data, '--repair'], { answer: 'no' }), {
    exitCode: 65,
    err: /nothing was repaired: the answer was not "yes"/,
  })
  t.match(await inProcess(['verify', '--data', data, '--yes']), {
    exitCode: 64,
    err: /--yes goes with --repair/,
  })
  t.same(await readdir(join(data, 'shard-0')), files, 'nothing was changed so far')
  t.equal((await inProcess(['verify', '--data', data])).exitCode, 65)

  const done = await inProcess(['verify', '--data', data, '--repair'], { answer: 'yes' })
  t.equal(done.exitCode, 0)
  t.match(
    done.out,
    new RegExp(
      `\nrepaired {2}segment ${id} written anew as segment \\d+; the damaged file is kept as damaged-`,
    ),
  )
  t.match(done.out, /\nnote {2}range-lost {2}topic readings, partition 0, offset 1, /)
  t.match(done.out, / is sound: /)

  broker = await startBroker(data)
  t.teardown(() => broker.stop())
  const read = await inProcess([
    'consume',
    'readings',
    '--from',
    'earliest',
    '--until-end',
    '--url',
    broker.url,
  ])
  t.same(read, {
    exitCode: 0,
    out: 'one\nthree\nfour\n',
    err: "octopus: offsets 1 to 1 of readings, partition 0, were lost to damage on the broker's disk\n",
  })
  const client = await connect({ url: broker.url })
  const consumer = client.consumer({ topics: ['readings'], from: { offset: 1 }, untilEnd: true })
  const values: string[] = []
  const readAll = async () => {
    for await (const record of consumer) values.push(Buffer.from(record.value ?? []).toString())
  }
  await t.rejects(readAll(), {
    name: 'CORRUPT_MESSAGE',
    message: /offsets 1 to 1 of topic readings, partition 0, were lost to damage/,
  })
  await readAll()
  t.same(values, ['three', 'four'], 'told once, by default with an error; then it goes on behind')
  const produced = await client.producer().send('readings', { partition: 0, value: 'five' })
  t.equal(produced.offset, 4, 'offsets go on where they were')
  await client.close()
})

t.test('nothing is repaired while metadata is damaged', async (t) => {
  const data = join(directory, 'metadata')
  await plant(data, randomOf(2))
  await damage(data, 1, 0)
  await rm(join(data, 'metadata.lmdb'))
  t.match(await inProcess(['verify', '--data', data, '--repair', '--yes']), {
    exitCode: 65,
    err: /nothing was repaired: first put metadata.lmdb right/,
  })
})

t.test('killed at any moment, run again', async (t) => {
  const random = seededRandom(t)
  const origin = join(directory, 'killed-origin')
  await plant(origin, randomOf(9))
  for (const { id } of (await load(origin)).manifest) await damage(origin, id, 0)
  const damaged = join(directory, 'killed-damaged')
  await cp(join(origin, 'shard-0'), damaged, { recursive: true })
  t.equal((await inProcess(['verify', '--data', origin, '--repair', '--yes'])).exitCode, 0)
  const whole = batchesOf(await load(origin))
  for (const _round of roundsOf(t, KILLS)) {
    const data = origin
    await rm(join(data, 'shard-0'), { recursive: true })
    await cp(damaged, join(data, 'shard-0'), { recursive: true })
    const child = start(['verify', '--data', data, '--repair', '--yes', '--json'])
    const exited = once(child, 'exit')
    // Its plan is out: from here on it writes. How far it comes is left to chance.
    for await (const chunk of child.stdout!) if (String(chunk).includes('"plan"')) break
    const delayMs = random.below(250)
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, delayMs))])
    child.kill('SIGKILL')
    await exited
    const again = await inProcess(['verify', '--data', data, '--repair', '--yes'])
    t.equal(again.exitCode, 0, `killed ${delayMs} ms after its plan: clean after another run: ${again.err}`)
    t.same(batchesOf(await load(data)), whole, 'with the same batches')
  }
})
