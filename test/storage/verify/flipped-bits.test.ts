/** Bits flipped at random in segment files: whatever is stored differently is reported, and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readTree } from '../../../storage/verify/page-tree.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { load, plant, type Segments, sourceOf, verifyLoaded } from './planted-data.ts'

const FLIPS = process.env.OCTOPUS_SOAK === '1' ? 10_000 : 400

/** Everything that is stored in a segment, and what is wrong with its tree. */
function stored(bytes: Buffer): { content: string; problems: number } {
  const source = sourceOf(bytes)
  let content = ''
  const { problems } = readTree(source, true, (key, at, length) => {
    content += `${Buffer.from(key).toString('hex')} ${Buffer.from(source.read(at, length)).toString('latin1')}\n`
  })
  return { content, problems: problems.length }
}

async function planted(t: Test, random: Parameters<typeof plant>[1]): Promise<Segments> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-verify-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  await plant(join(directory, 'data'), random)
  return load(join(directory, 'data'))
}

t.test('a flipped bit is reported if and only if it changes what is stored', async (t) => {
  const random = seededRandom(t)
  const segments = await planted(t, random)
  const sound = await verifyLoaded(segments)
  t.same(sound.findings, [], 'the data are sound at first')
  const pristine = new Map([...segments.files].map(([id, bytes]) => [id, stored(bytes).content]))
  let reported = 0
  let harmless = 0
  for (const flip of roundsOf(t, FLIPS)) {
    const { id } = random.pick(segments.manifest)
    const bytes = segments.files.get(id)
    if (bytes === undefined) throw new Error(`no segment ${id}`)
    // Meta pages and the pages of the tree are few: half of the flips go where they lie most likely.
    const at = flip % 4 === 0 ? random.below(16 * 4096) : random.below(bytes.length)
    const bit = 1 << random.below(8)
    bytes[at] ^= bit
    const { findings } = await verifyLoaded(segments)
    const now = stored(bytes)
    const isDifferent = now.problems > 0 || now.content !== pristine.get(id)
    const damages = findings.filter(({ severity }) => severity === 'damage')
    if (damages.length > 0 !== isDifferent)
      t.fail(
        `segment ${id}, byte ${at} (page ${Math.floor(at / 4096)}), bit ${bit}: ${isDifferent ? 'not reported' : 'reported for nothing'}`,
        {
          damages,
        },
      )
    if (isDifferent) reported++
    else harmless++
    bytes[at] ^= bit
  }
  t.comment(`${reported} flips changed what is stored, ${harmless} changed nothing`)
  t.ok(reported > FLIPS / 10, 'enough flips mattered')
  t.ok(harmless > 0, 'some did not')
  t.same((await verifyLoaded(segments)).findings, [], 'and the data are as they were')
})
