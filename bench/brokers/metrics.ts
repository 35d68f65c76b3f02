/** What a running broker tells on `/metrics`, to whoever has a key: it is taken from the environment, as clients do. */
import { environmentToken } from '../../client/node/environment-token.ts'

/** The present value of a sample without labels. Rejects when the broker has none of this name. */
export async function metric(brokerUrl: string, name: string): Promise<number> {
  const value = await metricIfAny(brokerUrl, name)
  if (value === null) throw new Error(`the broker's /metrics has no ${name}`)
  return value
}

/** The same; null when the broker has no sample of this name. */
export async function metricIfAny(brokerUrl: string, name: string): Promise<number | null> {
  const token = environmentToken(process.env)?.()
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(new URL('/metrics', brokerUrl.replace(/^ws/, 'http')), { headers })
  if (!response.ok)
    throw new Error(`the broker's /metrics answers ${response.status}: ${await response.text()}`)
  const match = new RegExp(`^${name} (\\S+)$`, 'm').exec(await response.text())
  return match ? Number(match[1]) : null
}
