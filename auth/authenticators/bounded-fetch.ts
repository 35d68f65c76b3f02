/**
 * One HTTP exchange with a server that may be slow, broken or in the wrong hands: bounded in time from the first
 * byte sent to the last one read, bounded in size after decompression, never redirected, JSON or nothing.
 * What goes wrong is told without a word of what the server said: that may hold what it was asked about.
 */
import type { Fetch, Timers } from '../ports.ts'

export interface FetchLimits {
  readonly timeoutMs: number
  readonly bytesMax: number
}

/** The message is to be read behind the name of the server. */
export class FetchFailure extends Error {
  /** What the server answered, where it did. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.name = 'FetchFailure'
    this.status = status
  }
}

export type JsonObject = Readonly<Record<string, unknown>>

/** Rejects with {@link FetchFailure} only. */
export async function fetchJson(
  ports: { readonly fetch: Fetch; readonly timers: Timers },
  url: string,
  request: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
  { timeoutMs, bytesMax }: FetchLimits,
): Promise<JsonObject> {
  const abort = new AbortController()
  let giveUp: (failure: FetchFailure) => void = () => undefined
  const late = new Promise<never>((_, reject) => {
    giveUp = reject
  })
  // Nobody waits for the deadline when the answer was there first.
  late.catch(() => undefined)
  const timer = ports.timers.after(timeoutMs, () => {
    giveUp(new FetchFailure(`did not answer in full within ${timeoutMs} ms`))
    abort.abort()
  })
  try {
    return await Promise.race([exchange(ports, url, { ...request, signal: abort.signal }, bytesMax), late])
  } catch (error) {
    throw error instanceof FetchFailure ? error : new FetchFailure(`cannot be reached${codeOf(error)}`)
  } finally {
    timer.cancel()
    abort.abort()
  }
}

async function exchange(
  ports: { readonly fetch: Fetch },
  url: string,
  init: RequestInit,
  bytesMax: number,
): Promise<JsonObject> {
  const response = await ports.fetch(url, {
    ...init,
    headers: { accept: 'application/json', ...init.headers },
    redirect: 'manual',
    credentials: 'omit',
  })
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400))
    throw new FetchFailure('answers with a redirect, which is not followed')
  if (response.status !== 200)
    throw new FetchFailure(`answers with HTTP status ${response.status}`, response.status)
  const text = await readBounded(response, bytesMax)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's message quotes what it could not read.
    throw new FetchFailure('does not answer with JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new FetchFailure('does not answer with a JSON object')
  return json as JsonObject
}

/** What a server says of its size is not believed, only taken as a reason to stop earlier. */
async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const tooLarge = () => new FetchFailure(`answers with more than ${bytesMax} bytes`)
  if (Number(response.headers.get('content-length')) > bytesMax) throw tooLarge()
  if (!response.body) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The system's code alone, such as ECONNREFUSED: messages may quote addresses and headers. */
function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  const found = cause?.code ?? code
  return typeof found === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(found) ? ` (${found})` : ''
}
