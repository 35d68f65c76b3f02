/** Hello: the first request of a connection. Says who both sides are, what they speak and the limits. */
import { boolean, int32, int53, list, struct, text, uint32 } from '../schema.ts'

export const helloRequest = struct('HelloRequest', {
  clientName: text(249),
  clientVersion: text(64),
})

export const helloResponse = struct('HelloResponse', {
  nodeId: int32,
  clusterId: text(64),
  software: text(64),
  apis: list(struct('ApiVersions', { key: uint32, name: text(64), versionMin: uint32, versionMax: uint32 })),
  limits: struct('Limits', {
    /** Largest frame the server takes. */
    frameBytesMax: uint32,
    /** Largest record batch any topic takes. */
    batchBytesMax: uint32,
    /** Bytes of produce requests that may be unanswered; one request may always be. */
    windowBytes: uint32,
    inFlightRequestsMax: uint32,
    fetchBytesMax: uint32,
  }),
  authenticationRequired: boolean,
  serverTimeMs: int53,
})
