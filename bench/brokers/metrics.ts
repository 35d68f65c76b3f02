/** What a running broker tells on `/metrics`, to whoever has a key: it is taken from the environment, as clients do. */
import { once } from 'node:events'
import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { environmentToken } from '../../client/node/environment-token.ts'

/** Where a broker is, and for `wss:` whom to trust there, in PEM form. */
export interface BrokerPlace {
  readonly url: string
  readonly ca?: string | undefined
}

/** The present value of a sample without labels. Rejects when the broker has none of this name. */
export async function metric(broker: BrokerPlace, name: string): Promise<number> {
  const value = await metricIfAny(broker, name)
  if (value === null) throw new Error(`the broker's /metrics has no ${name}`)
  return value
}

/** The same; null when the broker has no sample of this name. */
export async function metricIfAny(broker: BrokerPlace, name: string): Promise<number | null> {
  const match = new RegExp(`^${name} (\\S+)$`, 'm').exec(await metricsText(broker))
  return match ? Number(match[1]) : null
}

async function metricsText({ url, ca }: BrokerPlace): Promise<string> {
  const address = new URL('/metrics', url.replace(/^ws/, 'http'))
  const token = environmentToken(process.env)?.()
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const request =
    address.protocol === 'https:'
      ? requestSecure(address, { ca, headers })
      : requestPlain(address, { headers })
  request.end()
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  if (response.statusCode !== 200)
    throw new Error(`the broker's /metrics answers ${response.statusCode}: ${text}`)
  return text
}
