/** Hello: the first request of a connection. Says who both sides are, what they speak and the limits. */
import { boolean, field, int32, int53, list, struct, type TypeOf, text, uint32 } from '../schema.ts'

export const helloRequest = struct('HelloRequest', {
  clientName: field(text(249), 'What the client is, for logs and metrics: a program, not a person.'),
  clientVersion: field(text(64), 'Version of that program.'),
})

export const helloResponse = struct('HelloResponse', {
  nodeId: field(int32, 'Id of the node within its cluster.'),
  clusterId: field(text(64), 'Id of the cluster, the same on all its nodes and for ever.'),
  software: field(text(64), 'Name and version of the server program.'),
  apis: field(
    list(
      struct('ApiVersions', {
        key: field(uint32, 'Number of the API.'),
        name: field(text(64), 'Name of the API.'),
        versionMin: field(uint32, 'Oldest version the server speaks.'),
        versionMax: field(uint32, 'Newest version the server speaks.'),
      }),
      1_000,
    ),
    'Every API the server has.',
  ),
  limits: field(
    struct('Limits', {
      frameBytesMax: field(uint32, 'Largest frame the server takes; a larger one ends the connection.'),
      batchBytesMax: field(uint32, 'Largest record batch any topic takes.'),
      windowBytes: field(
        uint32,
        'Body bytes of produce requests that may be unanswered; one request may always be.',
      ),
      inFlightRequestsMax: field(uint32, 'Requests of all kinds that may be unanswered.'),
      fetchBytesMax: field(uint32, 'Largest `maxBytes` a fetch is given; more is taken as this.'),
    }),
    'What the server bounds.',
  ),
  authenticationRequired: field(boolean, 'Whether anything but hello needs authenticate first.'),
  serverTimeMs: field(int53, 'The server’s clock, ms since 1970.'),
})

export type HelloRequest = TypeOf<typeof helloRequest>
export type HelloResponse = TypeOf<typeof helloResponse>
