/**
 * The settings `auth.issuers` and `auth.introspection`: whose tokens are taken, and what they must be like. They
 * stand in the file only, for they are lists of things that hang together.
 *
 * What would open a hole is refused here, with what would be right: an issuer in plain text, a symmetric algorithm,
 * no audience, two sources that could name the same user.
 */
import { z } from 'zod'
import { signatureAlgorithms } from '../../auth/authenticators/jwt.ts'
import { trustedUrlProblem } from '../../auth/authenticators/trusted-url.ts'
import { claimsPresetNames } from '../../auth/claims-presets.ts'
import { principalIdProblem } from '../../auth/principal.ts'
import { nearest } from './nearest.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const must = (allowed: string) => ({ error: `must be ${allowed}` })

function trustedUrl(what: string) {
  const allowed = must(`${what}, such as https://login.example.edu/realms/lab`)
  return z.string(allowed).superRefine((text, context) => {
    const problem = trustedUrlProblem(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, input: text })
  })
}

function text(allowed: string) {
  return z.string(must(allowed)).min(1, must(allowed)).max(1_000, must(allowed))
}

/** One text, or a list of them. */
function texts(allowed: string) {
  const list = z.array(text(allowed), must(allowed)).max(100, must(allowed))
  return z.preprocess((value) => (typeof value === 'string' ? [value] : value), list)
}

function durationMs(minimum: number, maximum: number, fallback: number) {
  const allowed = must(`a whole number of ms from ${minimum} to ${maximum}`)
  return z.int(allowed).min(minimum, allowed).max(maximum, allowed).default(fallback)
}

const algorithm = z.string(must('the name of a signature algorithm')).superRefine((name, context) => {
  if ((signatureAlgorithms as readonly string[]).includes(name)) return
  const why = /^HS\d/.test(name)
    ? `${name} is symmetric: whoever can check a token could make one; `
    : name.toLowerCase() === 'none'
      ? `${name} is no signature at all; `
      : ''
  const message = `${why}must be of ${signatureAlgorithms.join(', ')}`
  context.addIssue({ code: 'custom', message, input: name })
})

const prefix = z.string(must('a text')).superRefine((value, context) => {
  const problem = value === '' ? undefined : principalIdProblem(`${value}x`)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, input: value })
})

/** What an issuer says of somebody, and how it is called here. */
const claims = {
  preset: z.enum(claimsPresetNames, must(`one of ${claimsPresetNames.join(', ')}`)).default('oidc'),
  principalClaim: text('the name of a claim, such as sub').optional(),
  groupsClaims: texts('names of claims, such as groups or wlcg.groups').optional(),
  rolesClaims: texts('names of claims, such as roles or realm_access.roles').optional(),
  prefix: prefix.default(''),
  requiredScopes: texts('names of scopes').default([]),
  scopePrefix: text('what scopes that narrow a token begin with, such as octopus.').optional(),
  clockToleranceMs: durationMs(0, 300_000, 30_000),
}

function group<T extends z.core.$ZodLooseShape>(shape: T) {
  const names = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return `must be settings: ${names.join(', ')}`
      const [unknown] = (issue as unknown as { keys: string[] }).keys
      const meant = nearest(unknown, names)
      return `has no setting ${JSON.stringify(unknown)}; ${meant ? `did you mean ${meant}?` : `there are: ${names.join(', ')}`}`
    },
  })
}

const audience = 'what the issuer calls this node in aud: a text, or a list of texts'

export const issuerSchema = group({
  issuer: trustedUrl('the issuer exactly as its tokens spell it in iss'),
  audience: texts(audience).refine((list) => list.length > 0, must(audience)),
  algorithms: z
    .array(algorithm, must('a list of signature algorithms'))
    .min(1, must('a list of signature algorithms'))
    .default([...signatureAlgorithms]),
  type: text("what the header's typ must be, such as at+jwt").optional(),
  ...claims,
  jwksUri: trustedUrl('where the keys of the issuer are').optional(),
  jwksMaxAgeMs: durationMs(60_000, DAY_MS, HOUR_MS),
  jwksCooldownMs: durationMs(1_000, HOUR_MS, 10_000),
  offlineMs: durationMs(0, 30 * DAY_MS, DAY_MS),
  fetchTimeoutMs: durationMs(100, 60_000, 5_000),
})

export const introspectionSchema = group({
  url: trustedUrl('the introspection endpoint'),
  clientId: text('the name this node has at that server'),
  clientSecretFile: text('the path of a file that holds nothing but the secret'),
  issuer: text('the issuer exactly as answers spell it in iss').optional(),
  audience: texts(audience).default([]),
  ...claims,
  cacheMaxMs: durationMs(0, HOUR_MS, 60_000),
  cacheNegativeMs: durationMs(0, 600_000, 5_000),
  cacheEntriesMax: z
    .int(must('a whole number from 1 to 1000000'))
    .min(1, must('a whole number from 1 to 1000000'))
    .max(1_000_000, must('a whole number from 1 to 1000000'))
    .default(10_000),
  sessionMaxMs: durationMs(10_000, 7 * DAY_MS, HOUR_MS),
  timeoutMs: durationMs(100, 60_000, 5_000),
  cooldownMs: durationMs(100, 600_000, 1_000),
}).refine(({ audience, requiredScopes }) => audience.length + requiredScopes.length > 0, {
  error:
    'needs audience or requiredScopes: without either, tokens given to any other service would be taken here',
})

export type IssuerSettings = z.output<typeof issuerSchema>
export type IntrospectionSettings = z.output<typeof introspectionSchema>

export interface TokenSources {
  readonly issuers: readonly IssuerSettings[]
  readonly introspection?: IntrospectionSettings | undefined
}

/** Sources that are fine alone and wrong together; each problem with the setting it is about. */
export function tokenSourceProblems({
  issuers,
  introspection,
}: TokenSources): [key: string, sentence: string][] {
  const problems: [string, string][] = []
  const sources = issuers.map(({ issuer, prefix }, i) => ({ key: `auth.issuers[${i}]`, issuer, prefix }))
  sources.forEach(({ key, issuer }, i) => {
    const first = sources.findIndex((other) => other.issuer === issuer)
    if (first < i)
      problems.push([`${key}.issuer`, `is that of auth.issuers[${first}], too; name each issuer once`])
  })
  if (introspection)
    sources.push({ key: 'auth.introspection', issuer: introspection.url, prefix: introspection.prefix })
  const bare = sources.filter(({ prefix }) => prefix === '')
  for (const { key } of bare.slice(1))
    problems.push([
      `${key}.prefix`,
      `is missing, as in ${bare[0].key}: both could name the same user; give all but one a prefix, such as "cern/"`,
    ])
  const prefixed = sources.filter(({ prefix }) => prefix !== '')
  prefixed.forEach(({ key, prefix }, i) => {
    for (const [j, other] of prefixed.entries())
      if (i !== j && other.prefix.startsWith(prefix) && (other.prefix !== prefix || j < i))
        problems.push([
          `${key}.prefix`,
          `${JSON.stringify(prefix)} is what ${other.key}.prefix begins with: both could name the same user; let none begin with another`,
        ])
  })
  return problems
}
