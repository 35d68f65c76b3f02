/**
 * The commands about who may do what, against a real broker: each for people and with --json, and the way from a
 * first start to a colleague who can read one topic.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { unshowableProblem } from '../../../auth/showable-text.ts'
import { moment } from '../../../broker/cli/access-text.ts'
import { Failure, failureText } from '../../../broker/cli/failure.ts'
import { pairs, table } from '../../../broker/cli/table.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import {
  asProcess,
  cleanEnvironment,
  inProcess,
  mainScript,
  type RunOptions,
  startBroker,
  type TestBroker,
} from './octopus.ts'

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
  t.match(await octopus(reading, bob), {
    exitCode: 1,
    out: '',
    err: 'octopus: there is no topic "readings" that you may see, nor any other\n',
  })
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

t.test('all keys of a user', async (t) => {
  const [first, second] = [await keyOf('gus'), await keyOf('gus')]
  t.match(await octopus('key revoke'), { exitCode: 64, err: /say which: ids of keys, or --for USER/ })
  t.match(await octopus('key revoke x --for gus'), { exitCode: 64, err: /are both given/ })
  t.match(await octopus('key revoke --for gus', await keyOf('mallory')), { exitCode: 1 })
  t.match((await json('key revoke --for gus')).answer.revoked.length, 2)
  for (const key of [first, second]) t.match(await octopus('whoami', key), { exitCode: 1 })
  t.same(await octopus('key revoke --for gus'), {
    exitCode: 0,
    out: 'revoked nothing: user:gus has no keys\n',
    err: '',
  })
  const own = await keyOf('gus')
  t.match(await octopus('key revoke --for gus', own), { exitCode: 0 }, 'his own, with one of them')
  t.match(await octopus('whoami', own), { exitCode: 1 })
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
  t.match(await octopus('key create laptop --for ivy --out -'), {
    exitCode: 64,
    out: '',
    err: /--out "-" names no file; leave --out away to have it on standard output/,
  })
  await t.rejects(stat('-'), { code: 'ENOENT' })
  t.match(await octopus('key create laptop --for ivy --out='), {
    exitCode: 64,
    err: /--out "" names no file/,
  })
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
    out: `a token with the id ${second.tokenId} is taken no more\n`,
    err: '',
  })
  t.match(await octopus('whoami', second.token), { exitCode: 1, err: /SASL_AUTHENTICATION_FAILED\)\n$/ })
  t.match(await octopus('whoami', first), { exitCode: 0 }, 'the other one is')
  t.same(await json('token revoke --for hal'), { exitCode: 0, answer: { revoked: true, principal: 'hal' } })
  t.match(await octopus('whoami', first), { exitCode: 1 })
  t.match(await octopus('token revoke'), { exitCode: 64, err: /^octopus: say which/ })
  t.match(await octopus('token revoke x --for hal'), { exitCode: 64, err: /both given/ })
})

t.test('ids of credentials as whoami shows them, and whole keys, which are not said back', async (t) => {
  const { answer: token } = await json('token issue --for ned')
  t.match(await octopus(`token revoke token:${token.tokenId}`), {
    exitCode: 0,
    out: `a token with the id ${token.tokenId} is taken no more\n`,
  })
  t.match(await octopus('whoami', token.token), { exitCode: 1 }, 'it is the token that was meant')
  t.match(await octopus('token revoke foo'), {
    exitCode: 64,
    err: /22 of the characters.*INVALID_REQUEST\)\n$/,
  })
  t.match(await octopus('token revoke --for user:ned'), {
    exitCode: 64,
    err: /begins with its kind.*write ned/,
  })
  t.match(await octopus('token revoke --for ned'), {
    exitCode: 0,
    out: 'tokens that user:ned was issued until now are taken no more\n',
  })

  const said = async (line: string, secret: string, outcome: object) => {
    const ran = await octopus(line)
    t.match(ran, outcome, line.slice(0, 16))
    t.notOk(`${ran.out}${ran.err}`.includes(secret.slice(21, 41)), 'without the secret')
  }
  const keyed = await keyOf('ned')
  const id = keyed.split('_')[1]
  await said(`token revoke ${keyed}`, keyed, { exitCode: 64, err: new RegExp(`octopus key revoke ${id}\n$`) })
  await said(`token revoke ${token.token}`, token.token, { exitCode: 64, err: /this is a whole token/ })
  await said(`key revoke ${keyed.slice(0, 12)}`, keyed, { exitCode: 64, err: /a part of a whole one/ })
  await said(`key revoke token:${token.tokenId}`, keyed, { exitCode: 64, err: /id of a token/ })
  await said(`key rotate ${keyed} --overlap 0s`, keyed, { exitCode: 0 })
  await said(`key revoke ${keyed}`, keyed, { exitCode: 0, out: `revoked ${id}\n` })
  const other = (await keyOf('ned')).split('_')[1]
  t.match(await octopus(`key revoke key:${other}`), { exitCode: 0, out: `revoked ${other}\n` })
})

t.test('what a broker answers commands no terminal, and shows whatever it is', async (t) => {
  const line = { note: 'x\u001b[31m\u0007\nuser:bob\u200b' }
  const out = table([{ title: 'note' }], [[line.note]])
  t.equal(out, 'NOTE\nx\\u{001B}[31m\\u{0007}\\u{000A}user:bob\\u{200B}\n')
  t.equal(pairs([['note', line.note]]), 'note  x\\u{001B}[31m\\u{0007}\\u{000A}user:bob\\u{200B}\n')
  const failure = new Failure(1, 'no\u001b]0;title\u0007\nnext')
  t.equal(failureText(failure, false), 'octopus: no\\u{001B}]0;title\\u{0007} next\n')
  t.equal(unshowableProblem(failureText(failure, true).replaceAll('\n', '')), undefined)
  t.equal(moment(null), 'never')
  t.equal(moment(0), '1970-01-01T00:00:00.000Z')
  for (const timeMs of [Number.MAX_SAFE_INTEGER, 8.64e15 + 1, -Number.MAX_SAFE_INTEGER])
    t.equal(moment(timeMs), `${timeMs} ms since 1970`)
})

t.test('the file with the credential', async (t) => {
  const whoami = (path: string, more = {}) =>
    inProcess(['whoami', '--url', broker.url], {
      env: { OCTOPUS_TOKEN_FILE: path, OCTOPUS_TOKEN: '', ...more },
    })
  const file = async (name: string, text: string, mode = 0o600) => {
    const path = join(directory, name)
    await writeFile(path, text, { mode })
    return path
  }
  for (const [path, what] of [
    ['/nowhere/at.all', 'cannot be read: ENOENT: no such file or directory'],
    [directory, 'cannot be read: EISDIR'],
    ['/dev/zero', 'has more than 65536 bytes, and no credential has'],
    [await file('empty.key', '\n'), 'is empty; it has to hold one key or token'],
    [
      await file('two.key', `${ADMIN_KEY}\nsecond\n`),
      'has several words or lines; it has to hold one key or token',
    ],
  ] as const) {
    const { exitCode, out, err } = await whoami(path)
    t.equal(exitCode, 78, path)
    t.equal(out, '')
    t.ok(err.startsWith(`octopus: OCTOPUS_TOKEN_FILE: ${path} ${what}`), err)
    t.notOk(err.includes(ADMIN_KEY.slice(-20)))
  }
  const good = await file('good.key', `${ADMIN_KEY}\r\n`)
  t.match(await whoami(good), { exitCode: 0, err: '' })
  t.match(await whoami(good, { OCTOPUS_TOKEN: 'other' }), {
    exitCode: 0,
    err: 'octopus: OCTOPUS_TOKEN_FILE and OCTOPUS_TOKEN are both set; the file counts\n',
  })
  const open = await file('open.key', ADMIN_KEY)
  await chmod(open, 0o644)
  t.match(await whoami(open), {
    exitCode: 0,
    err: `octopus: others may read ${open} (mode 0644), so what is in it is no secret: chmod 600 ${open}\n`,
  })
  const pipe = [
    '-c',
    `OCTOPUS_TOKEN_FILE=<(echo ${ADMIN_KEY}) exec node ${mainScript} whoami --url ${broker.url}`,
  ]
  const { stdout, stderr } = await promisify(execFile)('bash', pipe, {
    env: cleanEnvironment({ OCTOPUS_TOKEN: '' }),
  })
  t.match(stdout, /user:admin/, 'a pipe, which can be read once')
  t.equal(stderr, '')
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
  t.match(await octopus('namespace alter carls --remove-owner user:zoe', carl), {
    exitCode: 0,
    out: 'nothing to change in namespace carls; owned by user:carl, group:lab; user:zoe was no owner\n',
  })
  t.match(await octopus('namespace alter carls --remove-owner user:zoe --remove-owner group:lab', carl), {
    exitCode: 0,
    out: 'altered namespace carls; owned by user:carl; user:zoe was no owner\n',
  })
  t.match(await octopus('namespace create other --owner bob'), {
    exitCode: 64,
    err: /"bob" cannot own a namespace; user:ID and group:ID can/,
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
    'acl create --principal user:gil --resource topic:lab.* --operation read,write --deny',
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
  for (const wrong of [
    '--operation raed --resource topic:lab.x',
    '--operation read --resource topic:lab.*',
    '--operation read --resource readings',
    '--principal bob --operation read --resource topic:lab.x',
  ])
    t.match(
      await octopus(`acl explain ${wrong}`),
      { exitCode: 64, out: '', err: /INVALID_REQUEST\)\n$/ },
      wrong,
    )
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
    ['key create x --expires-in 0s', /It must be a while of at least 1s/],
    ['key create x --expires-in 999999d', /It must be a while of at most 36500d/],
    ['key create x --expires-in 99999999999999999999999d', /It must be a while of at most 36500d/],
    ['grant read x user:bob --expires-in 0m', /It must be a while of at least 1s/],
    ['token issue --lifetime 0s', /It must be a while of at least 1s/],
    ['key rotate x --overlap 999999d', /It must be a while of at most 24d/],
    ['acl explain --operation read', /required option '--resource <resource>' not specified/],
    ['key', /a command is needed. See: octopus key --help/],
  ]
  for (const [line, message] of cases) {
    const { exitCode, err } = await inProcess(line.split(' '))
    t.equal(exitCode, 64, line)
    t.match(err, message)
  }
  t.match(await octopus('grant read readings bob'), { exitCode: 64, err: /principal "bob"/ })
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
    for (const example of out.match(/^ {2}\$ .*$/gm) ?? [])
      t.notMatch(example.replace(/"[^"]*"/g, ''), /\*/, 'a shell leaves the star alone')
  }
})
