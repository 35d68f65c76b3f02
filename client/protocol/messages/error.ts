/** The header of a frame with the flag ERROR: the request as a whole was refused. */
import { field, int32, nullable, struct, type TypeOf, text, uint31, withDefault } from '../schema.ts'

export const errorResponse = struct('ErrorResponse', {
  code: field(int32, 'Code of the error table; never 0.'),
  message: field(
    nullable(text()),
    'What exactly was wrong; null: no more than the sentence of the error table.',
  ),
  retryAfterMs: field(
    withDefault(uint31, 0),
    'The client should not send the request again before this many ms; 0: its own back-off decides.',
  ),
})

export type ErrorResponse = TypeOf<typeof errorResponse>
