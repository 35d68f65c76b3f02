/**
 * The setting `allowedOrigins`: the web pages whose scripts may use this broker, each by its exact origin (RFC 6454):
 * scheme, host and port as a browser's `Origin` header has them.
 *
 * There is no `*` and no pattern. A browser lets any page it shows open a WebSocket to any address its machine can
 * reach, and a broker that let all in would be open to every site that somebody visits who may reach the broker. The
 * origin `null` stands for files, sandboxed frames and redirects of anybody, so it names nobody.
 */
import { z } from 'zod'

/** Flags and variables have it as one text with commas, the file as a list. */
export const allowedOrigins = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',').flatMap((part) => part.trim() || []) : value),
    z.array(z.string()),
  )
  .transform((origins, context): string[] => {
    const found = origins.map((origin) => ({ origin, ...parse(origin) }))
    const wrong = found.find(({ problem }) => problem !== undefined)
    if (!wrong) return [...new Set(found.map(({ canonical }) => canonical as string))]
    context.addIssue({
      code: 'custom',
      message: `${JSON.stringify(wrong.origin)} ${wrong.problem}`,
      input: origins,
    })
    return z.NEVER
  })

function parse(origin: string): { readonly canonical?: string; readonly problem?: string } {
  if (origin.includes('*'))
    return {
      problem:
        'is a pattern, and there are none: any page of a matching site, and with "*" any page at all that somebody opens, could use the broker; name each origin, such as https://lab.example.edu',
    }
  if (origin === 'null')
    return {
      problem: 'is what files and sandboxed frames of anybody send; serve the page from an origin of its own',
    }
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || !/^https?:\/\/[^/]/i.test(origin))
    return {
      problem: 'is no origin of a web page; one looks like https://lab.example.edu or http://localhost:3000',
    }
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password || /[/?#]$/.test(origin))
    return { problem: `has more than an origin; write ${url.origin}` }
  return { canonical: url.origin }
}
