/**
 * The shape of handlers and the table that binds one to every API. The type of the table is made from
 * the API table of the protocol, so a missing or superfluous handler does not compile.
 */
import type { Api, apis } from '../../client/protocol/api.ts'
import type { RequestContext } from './context.ts'
import type { FetchHandler } from './fetch.ts'
import type { ProduceHandler } from './produce.ts'

type Apis = typeof apis
export type ApiName = keyof Apis
export type RequestOf<K extends ApiName> = Apis[K] extends Api<infer Request, infer _> ? Request : never
export type ResponseOf<K extends ApiName> = Apis[K] extends Api<infer _, infer Response> ? Response : never

/** A rejection with a ProtocolError is a refusal of the whole request; any other is a bug and is logged. */
export type Handler<K extends ApiName> = (
  request: RequestOf<K>,
  context: RequestContext,
) => Promise<ResponseOf<K>>

export type Handlers = { readonly [K in Exclude<ApiName, 'produce' | 'fetch'>]: Handler<K> } & {
  readonly produce: ProduceHandler
  readonly fetch: FetchHandler
}
