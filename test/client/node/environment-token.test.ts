/** The credential of the environment: a file that may be replaced at any time, or a text. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { OctopusClient } from '../../../client/client.ts'
import { environmentToken } from '../../../client/node/environment-token.ts'
import { FakeBroker } from '../support/fake-broker.ts'
import { World } from '../support/world.ts'

t.test('the file comes before the text, and nothing is nothing', async (t) => {
  t.equal(environmentToken({}), undefined)
  t.equal(environmentToken({ OCTOPUS_TOKEN: '', OCTOPUS_TOKEN_FILE: '' }), undefined)
  t.equal(environmentToken({ OCTOPUS_TOKEN: 'text' })?.(), 'text')
  const missing = environmentToken({ OCTOPUS_TOKEN: 'text', OCTOPUS_TOKEN_FILE: '/nowhere/at.all' })
  t.throws(() => missing?.(), /^OCTOPUS_TOKEN_FILE: \/nowhere\/at\.all cannot be read: ENOENT/)
  // It has no end, and is not read to its end.
  t.throws(
    () => environmentToken({ OCTOPUS_TOKEN_FILE: '/dev/zero' })?.(),
    /\/dev\/zero has more than 65536 bytes/,
  )
})

t.test('a file that is replaced is taken at the next renewal, and an empty one is waited out', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-token-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const path = join(directory, 'token')
  await writeFile(path, ' first\n')
  const world = new World()
  const broker = new FakeBroker(world)
  const credentials = broker.askForCredentials(() => 600_000)
  const token = environmentToken({ OCTOPUS_TOKEN_FILE: path }) as () => string
  const client = await world.until(OctopusClient.open({ token }, broker.ports))
  await writeFile(path, '')
  credentials.endAll()
  const waiting = client.admin().metadata()
  await world.pass(1_000)
  t.same(credentials.shown, ['first'])
  await writeFile(`${path}.new`, 'second\n')
  await rename(`${path}.new`, path)
  await world.until(waiting)
  t.same(credentials.shown, ['first', 'second'])
  await world.until(client.close())
})
