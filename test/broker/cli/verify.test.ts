/** `octopus verify` as people and programs see it: what it prints, and its exit codes. */
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { load, openData, placeOf, plant, scanOf } from '../../storage/verify/planted-data.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { asProcess, inProcess } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-verify-cli-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))
const data = join(directory, 'data')
await plant(data, randomOf(5))

/** Turns a bit of the file of a segment; turned again it is as before. */
async function flip(segment: number, at: number): Promise<void> {
  const handle = await open(segmentPath(join(data, 'shard-0'), segment), 'r+')
  const byte = new Uint8Array(1)
  await handle.read(byte, 0, 1, at)
  byte[0] ^= 1
  await handle.write(byte, 0, 1, at)
  await handle.close()
}

/** Where a value of the segment ends in its file: the last byte is one of its last record. */
async function lastByte(segment: number): Promise<number> {
  const segments = await load(data)
  const value = scanOf(segments, segment).value(0)
  if (value === undefined) throw new Error('no value')
  return placeOf(segments, segment, 0) + value.length - 1
}

t.test('sound data', async (t) => {
  const { exitCode, out, err } = await inProcess(['verify', '--data', data])
  t.same([exitCode, err], [0, ''])
  t.match(out, new RegExp(`^${data} is sound: .* MB in \\d+ values of 4 segments, 4 partitions\n$`))
  const json = await inProcess(['verify', '--json'], { env: { OCTOPUS_DATA: data } })
  t.match(JSON.parse(json.out), { summary: { damages: 0, notes: 0, segments: 4, partitions: 4 } })
})

t.test('damage is a line for people, an object for programs, and exit code 65', async (t) => {
  const at = await lastByte(2)
  await flip(2, at)
  const { exitCode, out } = await inProcess(['verify', '--data', data])
  t.equal(exitCode, 65)
  t.match(
    out,
    /^damage {2}batch-damaged {2}topic .*partition \d+, offsets? .*segment 2, value 0: the checksum in the header/,
  )
  t.match(out, / is damaged: 1 finding of damage in /)
  const lines = (await asProcess(['verify', '--data', data, '--json'])).out.trim().split('\n')
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      {
        finding: {
          code: 'batch-damaged',
          severity: 'damage',
          remedy: 'fence',
          segment: 2,
          value: 0,
          bytes: Number,
        },
      },
      { summary: { damages: 1 } },
    ],
  )
  await flip(2, at)
  t.equal((await inProcess(['verify', '--data', data])).exitCode, 0)
})

t.test('what is no data directory, or is in use, is refused and left alone', async (t) => {
  const missing = join(directory, 'missing')
  t.match(await inProcess(['verify', '--data', missing]), {
    exitCode: 73,
    out: '',
    err: `octopus: ${missing} is no data directory of Octopus: there is no octopus.json in it\n`,
  })
  const foreign = await mkdtemp(join(directory, 'foreign-'))
  await writeFile(join(foreign, 'thesis.txt'), 'mine')
  t.match(await inProcess(['verify', '--data', foreign]), {
    exitCode: 73,
    err: /is no data directory of Octopus/,
  })
  t.same(await readdir(foreign), ['thesis.txt'])
  const held = await openData(data, true)
  t.match(await inProcess(['verify', '--data', data]), {
    exitCode: 73,
    out: '',
    err: /in use by process \d+/,
  })
  await held.close()
  t.match(await inProcess(['verify', '--nonsense']), { exitCode: 64, err: /See: octopus verify --help/ })
})

t.test('manifest and metadata', async (t) => {
  const copy = join(directory, 'copy')
  await plant(copy, randomOf(5))
  await writeFile(join(copy, 'shard-0', 'MANIFEST'), '{"format":"octopus-segments","version":1,')
  t.match(await inProcess(['verify', '--data', copy]), {
    exitCode: 65,
    out: /^damage {2}manifest-damaged {2}shard-0\/MANIFEST: /,
  })
  await rm(join(copy, 'shard-0', 'MANIFEST'))
  t.match(await inProcess(['verify', '--data', copy]), { exitCode: 65, out: /^damage {2}manifest-missing / })
  await rm(join(copy, 'metadata.lmdb'))
  t.match(await inProcess(['verify', '--data', copy]), {
    exitCode: 65,
    out: /^damage {2}metadata-missing {2}metadata.lmdb: /,
  })
})

t.test('bits of the metadata store', async (t) => {
  const random = randomOf(11)
  const handle = await open(join(data, 'metadata.lmdb'), 'r+')
  let told = 0
  const start = Buffer.alloc(6 * 4096)
  await handle.read(start, 0, start.length, 0)
  // Most of the pages are empty.
  const used = [...start.keys()].filter((at) => start[at] !== 0)
  for (let flips = 0; flips < 60; flips++) {
    const at = random.pick(used)
    const byte = start.subarray(at, at + 1)
    await handle.write(
      byte.map((value) => value ^ 4),
      0,
      1,
      at,
    )
    const { exitCode, out } = await inProcess(['verify', '--data', data])
    if (exitCode !== 0) {
      t.match(out, /^damage {2}metadata-damaged {2}metadata.lmdb: /)
      told++
    }
    await handle.write(byte, 0, 1, at)
  }
  await handle.close()
  t.ok(told > 5, `${told} of 60 flips were damage`)
  t.equal((await inProcess(['verify', '--data', data])).exitCode, 0)
})
