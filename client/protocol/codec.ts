/**
 * Messages to frames and back: {@link Type} descriptions over msgpackr, msgpackr behind a strict check.
 *
 * Every decoder here is total: any bytes give a value or a {@link ProtocolError}, in time and memory
 * proportional to the bytes. Decoded values share no memory with the frame. Encoders check what they
 * write by the same descriptions, so a wrong argument is named here and not by the other side.
 *
 * msgpackr packs into one buffer of its own that the next call overwrites; nothing here lets a view of
 * it out. Its generated code (`new Function`) is made for records only, which are off and refused.
 */
import { Packr, RESET_BUFFER_MODE, Unpackr } from 'msgpackr'
import { type AnyApi, type Api, apiByKey, apis } from './api.ts'
import { ErrorCode, ProtocolError } from './errors.ts'
import { FLAG_ERROR, FLAG_MORE, FLAG_RESPONSE, type Frame, writeFrame } from './frame.ts'
import { type ErrorResponse, errorResponse } from './messages/error.ts'
import { type FetchData, fetchData } from './messages/fetch.ts'
import { checkMsgpack } from './msgpack-check.ts'
import { fromWire, type Type, toWire } from './schema.ts'

const options = { useRecords: false, moreTypes: false, int64AsType: 'number' } as const
const packr = new Packr(options)
const unpackr = new Unpackr(options)

/** Longest message of an ERROR frame; longer ones are cut. */
const MESSAGE_CHARACTERS_MAX = 1024

/** The msgpack of a value in msgpackr's own buffer: to be copied before anything else is packed. */
function pack<T>(type: Type<T>, value: T): Uint8Array {
  return packr.pack(toWire(type, value), RESET_BUFFER_MODE)
}

/** The msgpack header of a message. Throws {@link ProtocolError} naming the field that is not of its type. */
export function encodeHeader<T>(type: Type<T>, value: T): Uint8Array {
  return new Uint8Array(pack(type, value))
}

/** The message of a msgpack header, or {@link ProtocolError} INVALID_REQUEST that says what is wrong with it. */
export function decodeHeader<T>(type: Type<T>, header: Uint8Array): T {
  checkMsgpack(header)
  return fromWire(type, unpackr.unpack(header))
}

/** A request in one allocation; `body` holds the record batches of a produce request. */
export function encodeRequest<Request, Response>(
  api: Api<Request, Response>,
  correlationId: number,
  message: Request,
  body?: Uint8Array | readonly Uint8Array[],
): Uint8Array {
  return writeFrame(api.key, api.versionMax, 0, correlationId, pack(api.request, message), body)
}

/** The only or the last frame of an answer. */
export function encodeResponse<Request, Response>(
  api: Api<Request, Response>,
  correlationId: number,
  message: Response,
): Uint8Array {
  return writeFrame(api.key, api.versionMax, FLAG_RESPONSE, correlationId, pack(api.response, message))
}

/** One data frame of a fetch answer: whole record batches of one partition; more frames follow. */
export function encodeFetchData(
  correlationId: number,
  data: FetchData,
  body: Uint8Array | readonly Uint8Array[],
): Uint8Array {
  const { key, versionMax } = apis.fetch
  return writeFrame(key, versionMax, FLAG_RESPONSE | FLAG_MORE, correlationId, pack(fetchData, data), body)
}

/**
 * The refusal of a whole request; key and version are those of the request, known or not. The message
 * may be any text: it is cut and mended where the wire would not take it. Null: the table's sentence says it.
 */
export function encodeError(
  apiKey: number,
  apiVersion: number,
  correlationId: number,
  code: number,
  message: string | null,
  retryAfterMs = 0,
): Uint8Array {
  const header = pack(errorResponse, { code, message: message === null ? null : mend(message), retryAfterMs })
  return writeFrame(apiKey, apiVersion, FLAG_RESPONSE | FLAG_ERROR, correlationId, header)
}

/** The nearest text that the wire takes: cut, half characters and a leading byte order mark replaced. */
function mend(message: string): string {
  return message.slice(0, MESSAGE_CHARACTERS_MAX).replace(/\p{Surrogate}|^\ufeff/gu, '\ufffd')
}

/**
 * The API a request frame asks for. Throws {@link ProtocolError} UNSUPPORTED_API, UNSUPPORTED_VERSION, or
 * INVALID_REQUEST when the frame is an answer or carries a body its API has no use for.
 */
export function requestedApi(frame: Frame): AnyApi {
  if (frame.flags & FLAG_RESPONSE)
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, 'the frame is an answer where a request was expected')
  const api = apiByKey.get(frame.apiKey)
  if (!api) throw new ProtocolError(ErrorCode.UNSUPPORTED_API, `there is no API ${frame.apiKey}`)
  const { name, versionMin, versionMax } = api
  if (frame.apiVersion < versionMin || frame.apiVersion > versionMax)
    throw new ProtocolError(
      ErrorCode.UNSUPPORTED_VERSION,
      `${name} is spoken in versions ${versionMin} to ${versionMax}, not ${frame.apiVersion}`,
    )
  if (frame.body.length > 0 && !api.requestBody)
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `a ${name} request has no body, this one has ${frame.body.length} bytes`,
    )
  return api
}

/**
 * The message of the only or the last frame of an answer. Throws the {@link ProtocolError} an ERROR frame
 * carries, and INVALID_REQUEST for a frame that is no answer of `api`.
 */
export function decodeResponse<Request, Response>(api: Api<Request, Response>, frame: Frame): Response {
  if (!(frame.flags & FLAG_RESPONSE) || frame.flags & FLAG_MORE || frame.apiKey !== api.key)
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `expected the last frame of a ${api.name} answer, got a frame of API ${frame.apiKey} with flags ${frame.flags}`,
    )
  if (frame.flags & FLAG_ERROR) throw refusedWith(decodeHeader(errorResponse, frame.header))
  return decodeHeader(api.response, frame.header)
}

function refusedWith(error: ErrorResponse): ProtocolError {
  // A refusal without an error would look like success to whoever reads only the code.
  const code = error.code === ErrorCode.NONE ? ErrorCode.UNKNOWN_SERVER_ERROR : error.code
  return new ProtocolError(code, error.message ?? undefined, { retryAfterMs: error.retryAfterMs })
}
