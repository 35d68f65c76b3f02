/**
 * The commands about who may do what, against a real broker: each for people and with --json, and the way from a
 * first start to a colleague who can read one topic.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { asProcess, inProcess, type RunOptions, startBroker, type TestBroker } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-access-cli-'))
const broker: TestBroker = await startBroker(join(directory, 'data'))
t.teardown(async () => {
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
})

/** A command line against the broker, in this process; by the administrator unless another key is given. */
function octopus(line: string, key = ADMIN_KEY, options: RunOptions = {}) {
  return inProcess([...line.split(' '), '--url', broker.url], { ...options, env: { OCTOPUS_TOKEN: key } })
}

async function json(line: string, key = ADMIN_KEY) {
  const { exitCode, out, err } = await octopus(`${line} --json`, key)
  if (err !== '') throw new Error(err)
  return { exitCode, answer: JSON.parse(out) }
}

/** A key of the user. */
async function keyOf(user: string): Promise<string> {
  const { exitCode, out, err } = await octopus(`key create test --for ${user}`)
  if (exitCode !== 0) throw new Error(err)
  return out.trim()
}

t.test('from a first start to a colleague who can read one topic', async (t) => {
  t.match(await octopus('topic create readings'), { exitCode: 0 })
  t.match(await octopus('produce readings', ADMIN_KEY, { stdin: 'one\ntwo\n' }), { exitCode: 0 })
  const made = await octopus('key create laptop --for bob')
  t.match(made, { exitCode: 0, out: /^oct_[a-z0-9]{16}_[\w-]{43}\n$/ })
  t.match(made.err, /^octopus: key [a-z0-9]{16} of user:bob; it is shown this once\n$/)
  const bob = made.out.trim()
  const reading = 'consume readings --from earliest --until-end'
  t.match(await octopus(reading, bob), { exitCode: 1, out: '', err: /there is no topic "readings"/ })
  t.match(await octopus('grant read readings user:bob'), {
    exitCode: 0,
    out: /^user:bob may read topic:readings {2}\(entry \S+\)\n$/,
    err: '',
  })
  t.same(await octopus(reading, bob), { exitCode: 0, out: 'one\ntwo\n', err: '' })
  t.match(await octopus('produce readings', bob, { stdin: 'x\n' }), {
    exitCode: 1,
    err: /user:bob may not write topic:readings/,
  })

  const file = join(directory, 'bob.key')
  await writeFile(file, made.out, { mode: 0o600 })
  const env = { OCTOPUS_TOKEN_FILE: file, OCTOPUS_TOKEN: '' }
  t.match(await asProcess(['whoami', '--url', broker.url], { env }), {
    exitCode: 0,
    out: /^principal +user:bob$/m,
  })
})

t.test('whoami', async (t) => {
  const ada = await keyOf('ada')
  const id = ada.split('_')[1]
  t.same(await octopus('whoami', ada), {
    exitCode: 0,
    out: [
      'principal   user:ada',
      'groups      -',
      'roles       -',
      `credential  api-key  (key:${id})`,
      'expires     never',
      'scope       all that the principal may',
      'namespaces  -\n',
    ].join('\n'),
    err: '',
  })
  t.match(await octopus('whoami'), { out: /^principal +user:admin {2}\(administrator\)$/m })
  t.match(await json('whoami', ada), {
    exitCode: 0,
    answer: { principal: 'user:ada', isAdministrator: false, credentialId: `key:${id}`, scope: null },
  })
  t.match(await octopus('whoami', `oct_${'x'.repeat(16)}_${'A'.repeat(43)}`), {
    exitCode: 1,
    err: /SASL_AUTHENTICATION_FAILED\)\n$/,
  })
})

t.test('keys', async (t) => {
  const before = Date.now()
  const line =
    'key create viewer --for eve --group lab --role viewer --expires-in 2h --scope read,describe:topic:lab.*'
  const { answer: made } = await json(line)
  t.match(made, { keyId: /^[a-z0-9]{16}$/, key: /^oct_/, principal: 'eve' })
  const { answer: listed } = await json('key list --for eve')
  t.match(listed, [
    {
      keyId: made.keyId,
      principal: 'eve',
      name: 'viewer',
      groups: ['lab'],
      roles: ['viewer'],
      lastUsedAtMs: null,
      secrets: 1,
      scope: [{ operations: ['read', 'describe'], resource: 'topic:lab.*' }],
    },
  ])
  t.ok(listed[0].expiresAtMs >= before + 7_200_000 && listed[0].expiresAtMs <= Date.now() + 7_200_000)
  const { out } = await octopus('key list --for eve')
  t.match(out, /^KEY +USER +NAME +GROUPS +ROLES +EXPIRES +LAST USED +SCOPE\n/)
  t.match(
    out,
    new RegExp(
      `^${made.keyId} +eve +viewer +lab +viewer +\\d{4}-\\S+ +never +read,describe:topic:lab\\.\\*$`,
      'm',
    ),
  )
  t.notOk(out.includes(made.key.slice(-30)), 'no secret in the list')

  const rotated = await octopus(`key rotate ${made.keyId}`)
  t.match(rotated, {
    exitCode: 0,
    err: `octopus: key ${made.keyId} has a new secret; the old one ends in 3600 s; it is shown this once\n`,
  })
  for (const key of [made.key, rotated.out.trim()])
    t.match(await json('whoami', key), { answer: { principal: 'user:eve', groups: ['lab'] } })
  const { answer: again } = await json(`key rotate ${made.keyId} --overlap 0s`)
  t.match(await octopus('whoami', rotated.out.trim()), { exitCode: 1 }, 'without an overlap it ends at once')
  t.match(await octopus('whoami', again.key), { exitCode: 0 })

  t.same(await octopus(`key revoke ${made.keyId}`), { exitCode: 0, out: `revoked ${made.keyId}\n`, err: '' })
  t.match(await octopus('whoami', again.key), { exitCode: 1 })
  t.match(await octopus(`key revoke ${made.keyId}`), { exitCode: 1, err: /RESOURCE_NOT_FOUND\)\n$/ })
  t.match(await octopus('key create x --for other', await keyOf('mallory')), {
    exitCode: 1,
    err: /user:mallory may not give credentials to others.*CLUSTER_AUTHORIZATION_FAILED\)\n$/,
  })
})

t.test('a secret goes into a new file for its owner, and nowhere else', async (t) => {
  const out = join(directory, 'ivy.key')
  const secretIn = async (path: string) => {
    t.equal((await stat(path)).mode & 0o777, 0o600)
    return (await readFile(path, 'utf8')).trim()
  }
  const made = await octopus(`key create laptop --for ivy --out ${out}`)
  t.match(made, {
    exitCode: 0,
    err: '',
    out: /^key \S+ of user:ivy; it is in \S+ivy\.key, and nowhere else\n$/,
  })
  const first = await secretIn(out)
  t.match(await octopus('whoami', first), { exitCode: 0 })
  const id = first.split('_')[1]
  const keys = async () => (await json('key list --for ivy')).answer.length

  const again = await octopus(`key create laptop --for ivy --out ${out}`)
  t.match(again, { exitCode: 64, out: '', err: /there is something already, and it is not overwritten/ })
  t.equal(await secretIn(out), first)
  const nowhere = await octopus(`key create laptop --for ivy --out ${join(directory, 'none', 'ivy.key')}`)
  t.match(nowhere, { exitCode: 73, out: '', err: /ENOENT/ })
  t.equal(await keys(), 1, 'nothing was made that could not be kept')
  const refused = join(directory, 'refused.key')
  t.match(await octopus(`key create x --for other --out ${refused}`, first), { exitCode: 1 })
  await t.rejects(stat(refused), { code: 'ENOENT' }, 'no file without a secret')

  const second = join(directory, 'ivy-2.key')
  const { answer } = await json(`key rotate ${id} --overlap 0s --out ${second}`)
  t.same(answer, { keyId: id, file: second }, 'the secret is in the file only')
  t.match(await octopus('whoami', await secretIn(second)), { exitCode: 0 })
  const token = join(directory, 'ivy.token')
  t.match((await json(`token issue --for ivy --out ${token}`)).answer, { principal: 'ivy', file: token })
  t.match(await octopus('whoami', await secretIn(token)), { exitCode: 0 })
})

t.test('tokens', async (t) => {
  const issued = await octopus('token issue --for hal --group lab --lifetime 15m')
  t.match(issued, {
    exitCode: 0,
    out: /^[\w-]+\.[\w-]+\.[\w-]+\n$/,
    err: /^octopus: token \S+ of user:hal, good until \d{4}-\S+Z; it is shown this once\n$/,
  })
  const first = issued.out.trim()
  t.match(await json('whoami', first), {
    answer: { principal: 'user:hal', groups: ['lab'], method: 'issuer' },
  })
  const { answer: second } = await json('token issue --for hal')
  t.match(await octopus('token rotate-issuer-key'), {
    exitCode: 0,
    out: /^key \S+ signs from now on; tokens signed before stay good until they expire\n$/,
  })
  t.match(await octopus('whoami', second.token), { exitCode: 0 }, 'signed before, and good')
  t.same(await octopus(`token revoke ${second.tokenId}`), {
    exitCode: 0,
    out: `revoked token ${second.tokenId}\n`,
    err: '',
  })
  t.match(await octopus('whoami', second.token), { exitCode: 1, err: /SASL_AUTHENTICATION_FAILED\)\n$/ })
  t.match(await octopus('whoami', first), { exitCode: 0 }, 'the other one is')
  t.same(await json('token revoke --for hal'), { exitCode: 0, answer: { revoked: true, principal: 'hal' } })
  t.match(await octopus('whoami', first), { exitCode: 1 })
  t.match(await octopus('token revoke'), { exitCode: 64, err: /^octopus: say which/ })
  t.match(await octopus('token revoke x --for hal'), { exitCode: 64, err: /both given/ })
})

t.test('namespaces', async (t) => {
  const carl = await keyOf('carl')
  t.same(await octopus('namespace create carls --owner user:carl -c retention.ms=3600000'), {
    exitCode: 0,
    out: 'created namespace carls\n',
    err: '',
  })
  t.match(await octopus('namespace create carls'), { exitCode: 1, err: /DUPLICATE_RESOURCE\)\n$/ })
  t.match(await octopus('namespace create mine', carl), {
    exitCode: 1,
    err: /CLUSTER_AUTHORIZATION_FAILED\)\n$/,
  })
  t.match(await octopus('topic create carls.a', carl), { exitCode: 0 })
  t.same(await octopus('namespace list', carl), {
    exitCode: 0,
    out: 'NAMESPACE  TOPICS  OWNERS     DEFAULTS\ncarls           1  user:carl  retention.ms=3600000\n',
    err: '',
  })
  t.match(await json('namespace list', carl), {
    answer: [{ name: 'carls', owners: ['user:carl'], topics: 1 }],
  })
  t.same(await json('namespace alter carls --add-owner group:lab --reset retention.ms', carl), {
    exitCode: 0,
    answer: { name: 'carls', owners: ['user:carl', 'group:lab'] },
  })
  t.match(await octopus('namespace alter carls', carl), { exitCode: 64, err: /^octopus: nothing to change/ })
  t.match(await octopus('namespace delete carls', carl), { exitCode: 1, err: /POLICY_VIOLATION\)\n$/ })
  t.match(await octopus('grant write carls.* user:dora', carl), { exitCode: 0 })
  t.match(await octopus('topic delete carls.a --yes', carl), { exitCode: 0 })
  t.same(await octopus('namespace delete carls', carl), {
    exitCode: 0,
    out: 'deleted namespace carls, and 1 entries about what could be in it\n',
    err: '',
  })
})

t.test('grants and entries', async (t) => {
  await octopus('namespace create lab')
  const nowMs = Date.UTC(2100, 0, 1)
  const granted = await octopus('grant manage lab.* group:lab --expires-in 1d --note why', ADMIN_KEY, {
    nowMs,
  })
  t.match(granted, {
    exitCode: 0,
    out: /^group:lab may read, write, create, alter, delete, grant topic:lab\.\* until 2100-01-02T00:00:00\.000Z {2}\(entry \S+\)\n$/,
  })
  const { answer: entry } = await json('grant write producer:lab.import user:gil')
  t.match(entry, {
    resource: 'producer:lab.import',
    operations: ['write'],
    effect: 'allow',
    expiresAtMs: null,
  })
  const { answer: deny } = await json(
    'acl create --principal user:gil --resource topic:lab.* --operation read --operation write --deny',
  )
  t.match(deny, { operations: ['read', 'write'], effect: 'deny' })
  t.match(await json('acl list --principal user:gil'), { answer: [{ id: entry.id }, { id: deny.id }] })
  t.match(await json('acl list --resource topic:lab.x'), {
    answer: [{ principal: 'group:lab', note: 'why' }, { id: deny.id }],
  })
  const { out } = await octopus('acl list --principal user:gil')
  t.match(out, /^ENTRY +PRINCIPAL +EFFECT +OPERATIONS +RESOURCE +EXPIRES +BY +NOTE\n/)
  t.match(out, /user:gil +deny +read,write +topic:lab\.\* +never +user:admin/)

  const question = 'acl explain --principal user:gil --operation read --resource topic:lab.x'
  t.match(await json(question), { exitCode: 1, answer: { allowed: false, rule: 'deny', entryId: deny.id } })
  t.match(await octopus(question), { exitCode: 1, out: /user:gil.*\n$/, err: '' })
  t.match(await json(`${question} --group lab`), { exitCode: 1, answer: { rule: 'deny' } })
  t.match(await octopus(`acl delete ${deny.id}`), { exitCode: 0, out: `deleted ${deny.id}\n` })
  t.match(await json(`${question} --group lab`), { exitCode: 0, answer: { allowed: true, rule: 'allow' } })
  t.match(await json(question), { exitCode: 1, answer: { rule: 'none', entryId: null } })
  t.match(await octopus(`acl delete ${deny.id}`), { exitCode: 1, err: /RESOURCE_NOT_FOUND\)\n$/ })
})

t.test('what is wrong is said before the broker is asked, where it can be', async (t) => {
  const cases: [line: string, message: RegExp][] = [
    ['grant own readings user:bob', /'own' is invalid.*Allowed choices are read, write, manage/],
    ['grant read producer:x user:bob', /read is given on: topic, group; not on a producer/],
    ['grant read nothing:x user:bob', /resource "nothing:x"/],
    ['key create x --expires-in soon', /It must be a while: 30s, 15m, 2h or 7d/],
    ['key create x --scope read', /It must be OPERATIONS:RESOURCE/],
    ['acl explain --operation read', /required option '--resource <resource>' not specified/],
    ['key', /a command is needed. See: octopus key --help/],
  ]
  for (const [line, message] of cases) {
    const { exitCode, err } = await inProcess(line.split(' '))
    t.equal(exitCode, 64, line)
    t.match(err, message)
  }
  t.match(await octopus('grant read readings bob'), { exitCode: 1, err: /principal "bob"/ })
})

t.test('every command has help with examples', async (t) => {
  const commands = [
    'whoami',
    ...['create', 'list', 'revoke', 'rotate', 'recover'].map((name) => `key ${name}`),
    ...['issue', 'revoke', 'rotate-issuer-key'].map((name) => `token ${name}`),
    ...['create', 'list', 'alter', 'delete'].map((name) => `namespace ${name}`),
    'grant',
    ...['list', 'explain', 'create', 'delete'].map((name) => `acl ${name}`),
  ]
  for (const command of commands) {
    const { exitCode, out } = await inProcess([...command.split(' '), '--help'])
    t.equal(exitCode, 0)
    t.match(out, new RegExp(`\\n {2}\\$ (?:OCTOPUS_TOKEN_FILE=\\S+ )?octopus ${command}`), command)
    t.match(out, /--json/)
  }
})
