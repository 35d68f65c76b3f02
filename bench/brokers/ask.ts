/** A question to a running broker through the SDK, with a client of its own that is gone afterwards. */
import { connect } from '../../client/index.ts'

type Client = Awaited<ReturnType<typeof connect>>

export async function ask<T>(
  broker: { readonly url: string },
  question: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connect({ url: broker.url, clientName: 'octopus-bench' })
  try {
    return await question(client)
  } finally {
    await client.close()
  }
}
