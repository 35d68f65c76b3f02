/** A whole node in this process, for tests of who may do what: its administrator, and clients of everybody else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { startNode } from '../../../broker/node.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { apis } from '../../../client/protocol/api.ts'
import { errorDefinition, ProtocolError } from '../../../client/protocol/errors.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'
import { ProtocolClient } from '../protocol-client.ts'

const transport = await loadUwsTransport()

export async function launch(t: Test, isProvisioned: boolean, flags: Record<string, string> = {}) {
  const path = await mkdtemp(join(tmpdir(), 'octopus-access-'))
  const data = join(path, 'data')
  if (isProvisioned) await provisionAdminKey(data)
  const given = { data, listen: '127.0.0.1:0', 'storage.segmentBytes': '16MiB', ...flags }
  const config = loadConfig({ flags: given, env: {}, readFile: () => '' })
  const started = await startNode({ config, logger: pino({ level: 'silent' }), transport, ...systemPorts() })
  t.teardown(async () => {
    await started.stop()
    await rm(path, { recursive: true })
  })
  return { url: started.url, data, stop: () => started.stop() }
}

export async function node(t: Test, flags: Record<string, string> = {}) {
  const started = await launch(t, true, flags)
  const admin = await ProtocolClient.connect(started.url)
  const grant = async (principal: string, operations: string[], resource: string, effect = 'allow') => {
    const entry = { principal, operations, resource, effect, expiresAtMs: null, note: null }
    const { entries } = await admin.call(apis.createAcls, { entries: [entry] })
    if (entries[0]?.error) throw new Error(`${entries[0].message}`)
    return entries[0]?.id as string
  }
  const keyOf = (principal: string, groups: string[] = []) =>
    admin.call(apis.createKey, { principal, name: 'test', groups, roles: [], expiresAtMs: null, scope: null })
  const as = async (principal: string, groups: string[] = []) =>
    ProtocolClient.connect(started.url, (await keyOf(principal, groups)).key)
  return { ...started, admin, grant, keyOf, as }
}

export const named = (code: number | undefined) => errorDefinition(code ?? 0).name

/** The name of the error, NONE where there is none. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'NONE'
  } catch (error) {
    return error instanceof ProtocolError ? error.name : String(error)
  }
}
