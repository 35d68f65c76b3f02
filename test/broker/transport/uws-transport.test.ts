/** The transport suite on uWebSockets.js, in plain text and over TLS. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { offersSubProtocol } from '../../../broker/transport/sub-protocol.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { makePair, writePair } from '../../support/certificates.ts'
import { secured } from './fixture.ts'
import { transportSuite } from './transport-suite.ts'

t.test('a sub-protocol is found in a list, whole and exact', async (t) => {
  t.equal(offersSubProtocol('octopus.v1', 'octopus.v1'), true)
  t.equal(offersSubProtocol('a,octopus.v1 , b', 'octopus.v1'), true)
  t.equal(offersSubProtocol('', 'octopus.v1'), false)
  t.equal(offersSubProtocol('octopus.v10,xoctopus.v1', 'octopus.v1'), false)
  t.equal(offersSubProtocol('OCTOPUS.V1', 'octopus.v1'), false)
})

// Each waits a while for a client to be silent long enough.
t.jobs = 2

t.test('uWebSockets.js', { buffered: true }, async (t) => {
  const transport = await loadUwsTransport()
  t.equal(transport.name, 'uWebSockets.js')
  await transportSuite(t, transport)
})

t.test('uWebSockets.js over TLS', { buffered: true }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-tls-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const pair = await makePair()
  await transportSuite(t, secured(await loadUwsTransport(), writePair(directory, pair), pair.cert))
})
