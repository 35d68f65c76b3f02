/**
 * API keys as text: `oct_<id>_<secret>`, made so that a leak is found by its first four letters.
 *
 *     id      16 characters of a-z 0-9, 82 random bits: names the key in lists, logs and revocations; no secret
 *     secret  43 characters of base64url, 256 random bits: shown once, kept only as its SHA-256
 *
 * A plain hash is enough at rest, because there is nothing to guess in 256 random bits; a slow one would only let
 * strangers make the node work.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../ports.ts'

const PREFIX = 'oct_'
const ID_CHARACTERS = 16
const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const SECRET_BYTES = 32
/** 43 characters hold 258 bits: in the last one, two have to be zero, so that a key has one spelling. */
const FORM = /^oct_([a-z0-9]{16})_([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/

export interface ApiKeyToken {
  readonly id: string
  readonly secret: string
}

export interface MintedApiKey {
  readonly id: string
  /** The whole text, for the eyes of its owner, once. */
  readonly token: string
  readonly secretHash: string
}

/** Whether it was meant as an API key, well formed or not. */
export function looksLikeApiKey(token: string): boolean {
  return token.startsWith(PREFIX)
}

export function parseApiKey(token: string): ApiKeyToken | undefined {
  const match = FORM.exec(token)
  return match ? { id: match[1], secret: match[2] } : undefined
}

/** SHA-256 of the secret's characters, in hex. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex')
}

export function mintApiKey(random: Random): MintedApiKey {
  return withNewSecret(newId(random), random)
}

/** Another secret for the same id: what a rotation hands out. */
export function withNewSecret(id: string, random: Random): MintedApiKey {
  const secret = Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url')
  return { id, token: `${PREFIX}${id}_${secret}`, secretHash: hashSecret(secret) }
}

/** Bytes that would make some letters likelier than others are thrown away. */
function newId(random: Random): string {
  const fairBytes = 256 - (256 % ID_ALPHABET.length)
  let id = ''
  while (id.length < ID_CHARACTERS)
    for (const byte of random.bytes(ID_CHARACTERS))
      if (byte < fairBytes && id.length < ID_CHARACTERS) id += ID_ALPHABET[byte % ID_ALPHABET.length]
  return id
}
