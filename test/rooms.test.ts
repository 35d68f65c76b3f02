/**
 * The shape of the repository: which room may import which, who may touch clocks, disks and the network,
 * what every file has. Each rule also runs on a planted violation, so that one that stopped biting shows.
 *
 * A new performer is added to the list below with its reason; the list is the review.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { effects, performers } from './support/performers.ts'
import * as rules from './support/rules.ts'
import { parseSource } from './support/source.ts'

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const folders = ['auth', 'bench', 'broker', 'client', 'storage', 'test']

const every = [
  'auth',
  'bench',
  'broker',
  'client',
  'client/protocol',
  'storage',
  'storage/record',
  'storage/record/node',
  'test',
]
const rooms: rules.Rooms = {
  'storage/record': [],
  'storage/record/node': ['storage/record'],
  storage: ['storage/record'],
  auth: [],
  'client/protocol': ['storage/record'],
  client: ['client/protocol', 'storage/record', 'storage/record/node'],
  broker: ['storage/record', 'storage/record/node', 'storage', 'auth', 'client/protocol', 'client'],
  bench: every,
  test: every,
}

/** Files that a person's command starts, or that a package user imports. */
const entryPoints = new Set([
  'broker/main.ts',
  'client/index.ts',
  'bench/main.ts',
  'bench/demo/main.ts',
  'test/support/run-tests.ts',
])

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path).split(sep).join('/'))
    .filter((path) => !path.includes('node_modules/'))
    .sort()
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const files = folders.flatMap(filesUnder)
const sources = files.filter((path) => path.endsWith('.ts')).map((path) => parseSource(path, read(path)))
const product = sources.filter(({ path }) => !/^(?:bench|test)\//.test(path))
const inFolders = (...prefixes: string[]) =>
  sources.filter(({ path }) => prefixes.some((prefix) => path.startsWith(prefix)))

const show = ({ path, line, message }: rules.Finding) => `${path}:${line} ${message}`
/** No finding in the repository, and the given ones in the plant. */
function holds(
  name: string,
  inRepository: rules.Finding[],
  inPlant: rules.Finding[],
  expected: string[],
): void {
  t.test(name, async (t) => {
    for (const finding of inRepository) t.comment(show(finding))
    t.equal(inRepository.length, 0, 'the repository keeps the rule')
    t.same(inPlant.map(show), expected, 'the planted violations are found, and nothing else')
  })
}

t.ok(sources.length > 50, 'the sources are found')

const planted = [
  parseSource('storage/log/a.ts', "import { x } from '../../broker/b.ts'\nimport '../record/c.ts'\n"),
  parseSource(
    'broker/b.ts',
    "export type { y } from '../storage/log/a.ts'\nconst z = await import('../bench/d.ts')\n",
  ),
  parseSource('auth/c.ts', "import { x } from '../broker/b.ts'\n"),
  parseSource('test/d.test.ts', "import { x } from '../bench/d.ts'\nimport json from '../package.json'\n"),
  parseSource(
    'bench/d.ts',
    "// import { x } from '../nowhere.ts'\nconst fixture = `import '../nowhere.ts'`\nArray.from('./x')\n",
  ),
]
holds(
  'arrows between rooms point one way',
  rules.forbiddenArrows(sources, rooms),
  rules.forbiddenArrows(planted, rooms),
  [
    'storage/log/a.ts:1 storage must not import broker (../../broker/b.ts)',
    'broker/b.ts:2 broker must not import bench (../bench/d.ts)',
    'auth/c.ts:1 auth must not import broker (../broker/b.ts)',
    'test/d.test.ts:2 test must not import what is in no room (../package.json)',
  ],
)

const touching = [
  parseSource(
    'storage/a.ts',
    "import { readFileSync } from 'node:fs'\nconst now = Date.now()\nconst d = new Date()\nconst fine = new Date(0)\nsetTimeout(run, 1)\n",
  ),
  parseSource(
    'broker/b.ts',
    'const r = Math.random()\nconst id = randomUUID()\nconst e = process.env.X\nawait fetch(url)\n',
  ),
  parseSource(
    'broker/c.ts',
    `// Date.now() is banned\nconst text = 'Math.random() setTimeout(1)'\nrun(x.fetch(1), \`now: \${Date.now()}\`)\n`,
  ),
  parseSource('broker/idle.ts', 'export const x = 1\n'),
]
holds(
  'clocks, timers, randomness, disk and network stay with the listed performers',
  rules.unlistedEffects(product, effects, performers),
  rules
    .unlistedEffects(touching, effects, {
      'broker/idle.ts': { may: ['clock'], reason: 'planted' },
      'broker/gone.ts': { may: [], reason: 'planted' },
      'storage/a.ts': { may: ['timers'], reason: 'planted' },
    })
    .map((finding) => ({ ...finding, message: finding.message.replace(/\):.*/, ')') })),
  [
    'broker/gone.ts:1 is listed as a performer but does not exist',
    'storage/a.ts:2 uses Date.now (clock)',
    'storage/a.ts:3 uses new Date() (clock)',
    'storage/a.ts:1 uses node:fs (disk)',
    'broker/b.ts:1 uses Math.random (randomness)',
    'broker/b.ts:2 uses randomUUID (randomness)',
    'broker/b.ts:3 uses process.env (environment)',
    'broker/b.ts:4 uses fetch( (network)',
    'broker/c.ts:3 uses Date.now (clock)',
    "broker/idle.ts:1 may use 'clock' but does not: take it off the list",
  ],
)

const handsInNode = (path: string) =>
  /^(?:client\/node|broker\/codec-pool|bench|test)\//.test(path) ||
  path === 'broker/system-ports.ts' ||
  path.startsWith('storage/record/node/')
holds(
  'what Node brings to the record batch is handed in by entry points and workers',
  rules.strayImporters(sources, 'storage/record/node', handsInNode),
  rules.strayImporters(
    [
      parseSource('storage/log/a.ts', "import { x } from '../record/node/c.ts'\n"),
      parseSource('client/producer/b.ts', "import type { y } from '../../storage/record/node/c.ts'\n"),
      parseSource('client/node/c.ts', "import { x } from '../../storage/record/node/c.ts'\n"),
    ],
    'storage/record/node',
    handsInNode,
  ),
  [
    'storage/log/a.ts:1 must take what ../record/node/c.ts has as an argument',
    'client/producer/b.ts:1 must take what ../../storage/record/node/c.ts has as an argument',
  ],
)

/** What runs in a browser may import these packages, and nothing of Node. */
const browserPackages = ['msgpackr']
const forNode = (path: string) =>
  path === 'client/index.ts' || /^(?:client|storage\/record)\/node\//.test(path)
holds(
  'what runs in a browser needs nothing of Node',
  rules.packagesOutside(
    inFolders('storage/record/', 'client/').filter(({ path }) => !forNode(path)),
    browserPackages,
  ),
  rules.packagesOutside(
    [
      parseSource(
        'client/a.ts',
        "import { gzipSync } from 'node:zlib'\nimport { pack } from 'msgpackr'\nBuffer.from(x)\n",
      ),
      parseSource(
        'client/b.ts',
        "import WebSocket from 'ws'\nconst p = { process: 1 }\nx.process()\nprocess.nextTick(f)\n",
      ),
    ],
    browserPackages,
  ),
  [
    'client/a.ts:1 must run in a browser but imports node:zlib',
    'client/a.ts:3 must run in a browser but uses Buffer',
    'client/b.ts:1 must run in a browser but imports ws',
    'client/b.ts:4 must run in a browser but uses process',
  ],
)

holds(
  'every source file begins by saying what it is',
  rules.missingHeaders(sources),
  rules.missingHeaders([
    parseSource('a.ts', '/** What it is. */\n'),
    parseSource('b.ts', '#!/usr/bin/env node\n/** What it is. */\n'),
    parseSource('c.ts', "import 'x'\n/** Too late. */\n"),
  ]),
  ['c.ts:1 has no header comment'],
)

const chain = [
  parseSource(
    'main.ts',
    "import './used.ts'\nfork(new URL('child.js', import.meta.url))\nnew URL('x.js', base)\n",
  ),
  parseSource('child.ts', '\n'),
  parseSource('x.ts', '\n'),
  parseSource('used.ts', "import './deep.ts'\n"),
  parseSource('deep.ts', "import './main.ts'\n"),
  parseSource('left.ts', "import './behind.ts'\n"),
  parseSource('behind.ts', '\n'),
]
holds(
  'every source file is reached from an entry point or a test',
  rules.orphans(sources, (path) => entryPoints.has(path) || path.endsWith('.test.ts')),
  rules.orphans(chain, (path) => path === 'main.ts'),
  [
    'x.ts:1 is imported by nobody and is no entry point',
    'left.ts:1 is imported by nobody and is no entry point',
    'behind.ts:1 is imported by nobody and is no entry point',
  ],
)

holds(
  'nothing is left unfinished or silenced',
  rules.leftoverWords(sources),
  rules.leftoverWords([
    parseSource('a.ts', "// TODO later\nconst word = 'TODO'\nconst x = y as any\n/* @ts-ignore */\n"),
    parseSource('b.ts', `// as any word\nconst re = /TODO/\nconst t = \`\${a as any} TODO\`\n`),
  ]),
  [
    "a.ts:1 has 'TODO': unfinished work belongs in an issue",
    "a.ts:4 has '@ts-ignore': a type error is mended, not silenced",
    "a.ts:3 has 'as any': a cast to any hides the next mistake",
    "b.ts:3 has 'as any': a cast to any hides the next mistake",
  ],
)

holds(
  'no error is swallowed without a reason',
  rules.emptyCatches(sources),
  rules.emptyCatches([
    parseSource(
      'a.ts',
      'try {\n} catch {}\ntry {\n} catch (error) {\n  // The file was gone already, which is what we want.\n}\n',
    ),
    parseSource('b.ts', 'p.catch(() => {})\np.catch(() => undefined)\np.catch((error) => log(error))\n'),
    parseSource('c.ts', '// Awaited below.\np.catch(() => {})\n'),
  ]),
  [
    'a.ts:2 swallows an error without saying why that is right',
    'b.ts:1 swallows an error without saying why that is right',
    'b.ts:2 swallows an error without saying why that is right',
  ],
)

const suites = inFolders('test/')
holds(
  'no source file is longer than one idea, and no list of tests than one can oversee',
  [
    ...rules.longFiles(
      sources.filter((source) => !suites.includes(source)),
      500,
    ),
    ...rules.longFiles(suites, 700),
  ],
  rules.longFiles([parseSource('a.ts', '\n'.repeat(501)), parseSource('b.ts', '\n'.repeat(500))], 500),
  ['a.ts:500 has 501 lines; above 500 it is more than one idea'],
)

const markdown = ['README.md', ...files.filter((path) => path.endsWith('.md'))]
holds(
  'every markdown file has one title',
  markdown.flatMap((path) => rules.titleFindings(path, read(path))),
  [
    ...rules.titleFindings('two.md', '# One\n\n# Two\n'),
    ...rules.titleFindings('none.md', '## Second level\n'),
    ...rules.titleFindings('fine.md', '# One\n\n```sh\n# a comment\n```\n\n## Two\n'),
  ],
  ['two.md:1 has 2 titles, not one', 'none.md:1 has 0 titles, not one'],
)

t.test('the top level holds what the architecture fixed and nothing else', async (t) => {
  const fixed = new Set([
    ...folders,
    'LICENSE',
    'README.md',
    'package-lock.json',
    'package.json',
    'tsconfig.json',
    // Never committed: what npm installs and where `npm start` keeps its data.
    'node_modules',
    'data',
  ])
  const extra = readdirSync(root).filter((name) => !name.startsWith('.') && !fixed.has(name))
  t.same(extra, [])
})

t.test('every folder of the top level says what it is for', async (t) => {
  for (const folder of folders) t.ok(existsSync(join(root, folder, 'README.md')), `${folder}/README.md`)
})

interface LockedPackage {
  readonly integrity?: string
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Package {
  readonly dependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
}

t.test('dependencies are asked for as versions, locked by hash, and used', async (t) => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Package
  const all = { ...dependencies, ...devDependencies }
  t.same(rules.loosePins(all).map(show), [])
  const loose = {
    a: '*',
    b: 'latest',
    c: '>=1.0.0',
    d: 'github:x/y',
    e: '^1.2.3',
    f: 'npm:g@^1.2.3',
    h: '1.2.3',
  }
  t.same(
    rules.loosePins(loose).map(({ message }) => message.split(' ')[0]),
    ['a', 'b', 'c', 'd'],
  )

  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }
  const locked = Object.entries(lock.packages).filter(([path]) => path !== '')
  // The registry of whoever wrote the lock file may not have had every platform's package.
  const unlocked = locked.filter(([, { integrity, optional, os }]) => !integrity && !(optional && os))
  t.same(
    unlocked.map(([path]) => path),
    [],
    'every package of the lock file has an integrity hash',
  )
  const missing = locked
    .flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => !locked.some(([path]) => path.endsWith(`node_modules/${name}`)))
  t.same(missing, [], "npm ci refuses a lock file without another platform's optional package")

  /** Used without an import of ours. */
  const indirect: Record<string, string> = {
    'pino-pretty': 'pino loads it by name',
    '@biomejs/biome': 'npm run lint',
    '@bokuweb/zstd-wasm': 'its parts are loaded by path: its own way of loading is asynchronous',
    '@types/node': 'types',
    '@types/oidc-provider': 'types',
    '@types/ws': 'types',
    typescript: 'npm run build',
    'vega-datasets': 'its files are read by path',
  }
  const packageOf = (specifier: string) =>
    specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
  const imported = (from: typeof sources) =>
    new Set(from.flatMap(({ imports }) => imports.map((i) => packageOf(i.specifier))))
  const byProduct = imported(inFolders('auth/', 'bench/', 'broker/', 'client/', 'storage/'))
  const byAnyone = imported(sources)
  t.same(
    Object.keys(dependencies).filter((name) => !byProduct.has(name) && !indirect[name]),
    [],
    'no idle dependency',
  )
  t.same(
    Object.keys(devDependencies).filter((name) => !byAnyone.has(name) && !indirect[name]),
    [],
    'no idle dev dependency',
  )
  const strangers = [...byAnyone].filter((name) => !/^(?:\.|node:)/.test(name) && !(name in all))
  t.same(strangers, [], 'nothing is imported that package.json does not name')
})
