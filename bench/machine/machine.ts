/**
 * Where a figure was measured: a result without its machine, versions and inputs cannot be compared.
 */
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly versions: Readonly<Record<string, string>>
}

interface Package {
  readonly version: string
  readonly dependencies: Record<string, string>
}

/** What runs on the data path. */
const libraries = ['lmdb', 'uWebSockets.js', 'ws', '@node-rs/crc32', 'msgpackr']

/** The manifest is read, not imported: some packages do not export it. */
function version(name: string): string {
  const path = new URL(`../../../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as Package).version
}

export function describeMachine(): Machine {
  const all = cpus()
  const own = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as Package
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    versions: {
      octopus: own.version,
      node: process.versions.node,
      ...Object.fromEntries(libraries.map((name) => [name, version(name)])),
    },
  }
}
