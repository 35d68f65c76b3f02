/** The transport suite on uWebSockets.js. */
import t from 'tap'
import { offersSubProtocol } from '../../../broker/transport/sub-protocol.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { transportSuite } from './transport-suite.ts'

t.test('a sub-protocol is found in a list, whole and exact', async (t) => {
  t.equal(offersSubProtocol('octopus.v1', 'octopus.v1'), true)
  t.equal(offersSubProtocol('a,octopus.v1 , b', 'octopus.v1'), true)
  t.equal(offersSubProtocol('', 'octopus.v1'), false)
  t.equal(offersSubProtocol('octopus.v10,xoctopus.v1', 'octopus.v1'), false)
  t.equal(offersSubProtocol('OCTOPUS.V1', 'octopus.v1'), false)
})

t.test('uWebSockets.js', async (t) => {
  const transport = await loadUwsTransport()
  t.equal(transport.name, 'uWebSockets.js')
  await transportSuite(t, transport)
})
