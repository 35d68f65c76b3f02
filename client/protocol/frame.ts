/**
 * The frame of `octopus.v1`: one WebSocket message, a fixed header in front of a msgpack header and a
 * body of raw record batches.
 *
 * ```
 *  0        2        3        4                8                12                    12 + headerLength
 *  +--------+--------+--------+----------------+----------------+---------------------+------------------+
 *  | apiKey | apiVer | flags  | correlationId  | headerLength   | header (msgpack)    | body             |
 *  | u16    | u8     | u8     | u32            | u32            | headerLength bytes  | whatever is left |
 *  +--------+--------+--------+----------------+----------------+---------------------+------------------+
 * ```
 *
 * All numbers are big endian. Reading gives views, never copies; writing makes one allocation, or none
 * when the batch was given headroom. What is inside header and body is not this file's business.
 */
import { ErrorCode, ProtocolError } from './errors.ts'

/** The WebSocket sub-protocol a client asks for and a server must confirm. */
export const SUBPROTOCOL = 'octopus.v1'

export const FRAME_HEADER_BYTES = 12
/** A longer msgpack header is refused on both sides: room for 100,000 partitions, not for an attack. */
export const HEADER_BYTES_MAX = 16 * 1024 * 1024

/** The frame answers the request with its correlation id. */
export const FLAG_RESPONSE = 1
/** Further frames of the same answer follow. Only with RESPONSE. */
export const FLAG_MORE = 2
/** The header is an `ErrorResponse`: the request as a whole was refused. Only with RESPONSE, never with MORE. */
export const FLAG_ERROR = 4

const FLAGS_KNOWN = FLAG_RESPONSE | FLAG_MORE | FLAG_ERROR

export interface Frame {
  readonly apiKey: number
  readonly apiVersion: number
  readonly flags: number
  readonly correlationId: number
  /** View of the msgpack header. */
  readonly header: Uint8Array
  /** View of the record batches; empty when the frame carries none. */
  readonly body: Uint8Array
}

function refuse(sentence: string): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, `broken frame: ${sentence}`)
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/**
 * Takes a message apart. Header and body are views of `bytes`, valid as long as `bytes` is. Throws
 * {@link ProtocolError} INVALID_REQUEST that says what is wrong; the msgpack header is not looked into.
 */
export function readFrame(bytes: Uint8Array): Frame {
  if (bytes.length < FRAME_HEADER_BYTES)
    refuse(`a frame has at least ${FRAME_HEADER_BYTES} bytes, this message has ${bytes.length}`)
  const headerLength = uint32(bytes, 8)
  const bodyStart = FRAME_HEADER_BYTES + headerLength
  if (headerLength > HEADER_BYTES_MAX)
    refuse(`a header has at most ${HEADER_BYTES_MAX} bytes, headerLength says ${headerLength}`)
  if (bodyStart > bytes.length)
    refuse(`headerLength says ${headerLength}, only ${bytes.length - FRAME_HEADER_BYTES} bytes follow it`)
  const flags = bytes[3]
  checkFlags(flags, bytes.length - bodyStart)
  return {
    apiKey: (bytes[0] << 8) | bytes[1],
    apiVersion: bytes[2],
    flags,
    correlationId: uint32(bytes, 4),
    // Plain views also of a Buffer, so that all that reads them sees one kind of object.
    header: new Uint8Array(bytes.buffer, bytes.byteOffset + FRAME_HEADER_BYTES, headerLength),
    body: new Uint8Array(bytes.buffer, bytes.byteOffset + bodyStart, bytes.length - bodyStart),
  }
}

function checkFlags(flags: number, bodyBytes: number): void {
  if (flags === 0 || flags === FLAG_RESPONSE) return
  if (flags & ~FLAGS_KNOWN)
    refuse(`flags ${flags} has unknown bits, known are RESPONSE 1, MORE 2 and ERROR 4`)
  if (!(flags & FLAG_RESPONSE)) refuse(`flags ${flags} has MORE or ERROR without RESPONSE`)
  if (!(flags & FLAG_ERROR)) return
  if (flags & FLAG_MORE) refuse('an ERROR frame is the last of its answer, this one has MORE')
  if (bodyBytes > 0) refuse(`an ERROR frame has no body, this one has ${bodyBytes} bytes`)
}

/**
 * Writes fixed header and msgpack header at `at` of `target`; the body belongs right behind. Returns
 * where that is. Throws RangeError when it does not fit or a number is out of its range.
 */
export function writeFrameHeaderAt(
  target: Uint8Array,
  at: number,
  apiKey: number,
  apiVersion: number,
  flags: number,
  correlationId: number,
  header: Uint8Array,
): number {
  const headerLength = header.length
  if (headerLength > HEADER_BYTES_MAX)
    throw new RangeError(`a header has at most ${HEADER_BYTES_MAX} bytes, this one ${headerLength}`)
  if (correlationId >>> 0 !== correlationId)
    throw new RangeError(`correlationId ${correlationId} is no uint32`)
  if ((apiKey & 0xffff) !== apiKey) throw new RangeError(`apiKey ${apiKey} is no uint16`)
  if ((apiVersion & 0xff) !== apiVersion) throw new RangeError(`apiVersion ${apiVersion} is no uint8`)
  if ((flags & FLAGS_KNOWN) !== flags) throw new RangeError(`flags ${flags} has unknown bits`)
  // First the part that checks the room, so that a refusal leaves the target untouched.
  target.set(header, at + FRAME_HEADER_BYTES)
  target[at] = apiKey >>> 8
  target[at + 1] = apiKey
  target[at + 2] = apiVersion
  target[at + 3] = flags
  target[at + 4] = correlationId >>> 24
  target[at + 5] = correlationId >>> 16
  target[at + 6] = correlationId >>> 8
  target[at + 7] = correlationId
  target[at + 8] = headerLength >>> 24
  target[at + 9] = headerLength >>> 16
  target[at + 10] = headerLength >>> 8
  target[at + 11] = headerLength
  return at + FRAME_HEADER_BYTES + headerLength
}

/** Puts a frame together in one allocation; a body in pieces is copied piece after piece. */
export function writeFrame(
  apiKey: number,
  apiVersion: number,
  flags: number,
  correlationId: number,
  header: Uint8Array,
  body?: Uint8Array | readonly Uint8Array[],
): Uint8Array {
  const pieces = body === undefined ? [] : body instanceof Uint8Array ? [body] : body
  let length = FRAME_HEADER_BYTES + header.length
  for (const piece of pieces) length += piece.length
  const frame = new Uint8Array(length)
  let at = writeFrameHeaderAt(frame, 0, apiKey, apiVersion, flags, correlationId, header)
  for (const piece of pieces) {
    frame.set(piece, at)
    at += piece.length
  }
  return frame
}

/**
 * Puts a frame around `batch` without copying it: fixed header and msgpack header are written into the
 * last of the `headroomBytes` that lie before `batch` in its buffer and are the caller's to overwrite.
 * Returns the view of the whole frame; undefined, with nothing written, when the headroom is too small.
 */
export function writeFrameBefore(
  batch: Uint8Array,
  headroomBytes: number,
  apiKey: number,
  apiVersion: number,
  flags: number,
  correlationId: number,
  header: Uint8Array,
): Uint8Array | undefined {
  if (headroomBytes > batch.byteOffset)
    throw new RangeError(
      `a headroom of ${headroomBytes} bytes before a batch that begins at byte ${batch.byteOffset}`,
    )
  const frontBytes = FRAME_HEADER_BYTES + header.length
  if (frontBytes > headroomBytes) return undefined
  const start = batch.byteOffset - frontBytes
  const frame = new Uint8Array(batch.buffer, start, frontBytes + batch.length)
  writeFrameHeaderAt(frame, 0, apiKey, apiVersion, flags, correlationId, header)
  return frame
}
