/**
 * A real OpenID provider (`oidc-provider`, certified) on loopback, whose keys can be changed and which can be
 * taken off the network and brought back at its old address.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { Provider } from 'oidc-provider'

export const CLIENT_ID = 'detector-7'
export const CLIENT_SECRET = 'a secret of the client: with + and %'
export const AUDIENCE = 'urn:octopus:test'

/** A private key as the provider wants it. */
export async function newJwk(kid: string, alg = 'ES256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

export class ProviderServer {
  /** Paths that were asked for. */
  readonly requests: string[] = []
  keys: JWK[]
  #server: Server | undefined
  #answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined
  port = 0
  /** Life of the tokens issued from now on, in seconds. */
  tokenLifetime = 600

  private constructor(keys: JWK[]) {
    this.keys = keys
  }

  static async start(keys?: JWK[]): Promise<ProviderServer> {
    const server = new ProviderServer(keys ?? [await newJwk('first')])
    await server.up()
    server.useKeys(server.keys)
    return server
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get introspectionUrl(): string {
    return `${this.issuer}/token/introspection`
  }

  count(path: string): number {
    return this.requests.filter((request) => request === path).length
  }

  /** The first signs; all are published. What was issued before is forgotten, but for what is signed. */
  useKeys(keys: JWK[], format: 'jwt' | 'opaque' = 'jwt'): void {
    this.keys = keys
    const provider = new Provider(this.issuer, {
      jwks: { keys } as never,
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: CLIENT_SECRET,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
          id_token_signed_response_alg: keys[0].alg as 'ES256',
        },
      ],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context, resource) => ({
            scope: 'octopus.read:topic:lab.* other',
            audience: resource,
            accessTokenTTL: this.tokenLifetime,
            accessTokenFormat: format,
            ...(format === 'jwt' && { jwt: { sign: { alg: keys[0].alg as 'ES256' } } }),
          }),
        },
      },
    })
    // What the provider thinks of its clients is not what is tested.
    provider.on('server_error', (_context, error) => process.stderr.write(`${error.stack}\n`))
    this.#answer = provider.callback()
  }

  async token(fields: { audience?: string; scope?: string } = {}): Promise<string> {
    const answer = await this.#post('/token', {
      grant_type: 'client_credentials',
      resource: fields.audience ?? AUDIENCE,
      ...(fields.scope === undefined ? {} : { scope: fields.scope }),
    })
    return (answer as { access_token: string }).access_token
  }

  async revoke(token: string): Promise<void> {
    await this.#post('/token/revocation', { token })
  }

  async #post(path: string, fields: Record<string, string>): Promise<unknown> {
    const basic = [CLIENT_ID, CLIENT_SECRET].map(encodeURIComponent).join(':')
    const response = await fetch(`${this.issuer}${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(basic).toString('base64')}` },
      body: new URLSearchParams(fields),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`the provider answers ${response.status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async down(): Promise<void> {
    const server = this.#server as Server
    this.#server = undefined
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => {
      this.requests.push(request.url as string)
      // What is kept alive would be cut when the provider goes down, in the middle of another test's fetch.
      response.setHeader('connection', 'close')
      this.#answer(request, response)
    })
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async stop(): Promise<void> {
    if (this.#server) await this.down()
  }
}
