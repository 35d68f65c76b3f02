/**
 * The marker of a data directory, `octopus.json`: what it says and which ones this program accepts. Pure.
 *
 *     {
 *       "format": "octopus-data",
 *       "version": 1,                              of the whole directory; only an upgrade changes it
 *       "clusterId": "Kq0pGmVnTbyc2dWrS1UJxA",     16 random bytes, base64url
 *       "nodeId": 0,
 *       "createdAt": "2026-01-31T12:00:00.000Z"
 *     }
 *
 * Further members are kept out of the decision: a later program of the same version may add some.
 */

import { StorageError } from './segment-store.ts'

export const dataFormat = 'octopus-data'
export const dataVersion = 1

export interface Marker {
  readonly format: typeof dataFormat
  readonly version: typeof dataVersion
  readonly clusterId: string
  readonly nodeId: number
  readonly createdAt: string
}

/** `uuid`: a random UUID in its usual form, 36 characters. */
export function createMarker(uuid: string, nowMs: number): Marker {
  return {
    format: dataFormat,
    version: dataVersion,
    clusterId: Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url'),
    nodeId: 0,
    createdAt: new Date(nowMs).toISOString(),
  }
}

export function encodeMarker(marker: Marker): string {
  return `${JSON.stringify(marker, null, 2)}\n`
}

/** Throws StorageError FOREIGN (another program's, or newer) or DAMAGED, naming the member and its value. */
export function decodeMarker(text: string, directory: string, path: string): Marker {
  const members = parseObject(text, path)
  if (members.format !== dataFormat) {
    throw new StorageError(
      'FOREIGN',
      `${path} has format ${show(members.format)}, not "${dataFormat}": ` +
        'the directory belongs to another program, choose another --data',
      { path },
    )
  }
  const version = members.version
  if (!Number.isSafeInteger(version) || Number(version) < 1) {
    throw damaged(path, 'version', version, 'an integer from 1 on')
  }
  if (Number(version) > dataVersion) {
    throw new StorageError(
      'FOREIGN',
      `${directory} has data format ${version}, this program reads ${dataVersion}: ` +
        'use the newer Octopus or another --data',
      { path },
    )
  }
  const { clusterId, nodeId, createdAt } = members
  if (typeof clusterId !== 'string' || !/^[A-Za-z0-9_-]{22}$/.test(clusterId)) {
    throw damaged(path, 'clusterId', clusterId, '22 characters of base64url')
  }
  if (typeof nodeId !== 'number' || !Number.isSafeInteger(nodeId) || nodeId < 0) {
    throw damaged(path, 'nodeId', nodeId, 'an integer from 0 on')
  }
  if (typeof createdAt !== 'string' || Number.isNaN(Date.parse(createdAt))) {
    throw damaged(path, 'createdAt', createdAt, 'a time such as 2026-01-31T12:00:00.000Z')
  }
  return { format: dataFormat, version: dataVersion, clusterId, nodeId, createdAt }
}

function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new StorageError('DAMAGED', `${path} is not JSON: restore it from a backup`, { path, cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StorageError('DAMAGED', `${path} is not a JSON object: restore it from a backup`, { path })
  }
  return value as Readonly<Record<string, unknown>>
}

function damaged(path: string, member: string, value: unknown, expected: string): StorageError {
  return new StorageError('DAMAGED', `${path}: "${member}" is ${show(value)}, it must be ${expected}`, {
    path,
  })
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value)).slice(0, 80)
}
