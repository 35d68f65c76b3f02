/** Ed25519 key pairs for the built-in issuer (RFC 8037), made from bytes that are handed in. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { Random } from '../ports.ts'

export interface IssuerKey {
  /** Thumbprint of the public key (RFC 7638). */
  readonly kid: string
  readonly privateJwk: JWK
  readonly publicJwk: JWK
  readonly createdAtMs: number
  /** Since then a newer one signs; null: this one does. */
  readonly retiredAtMs: number | null
}

/** PrivateKeyInfo of an Ed25519 key (RFC 8410, 7), up to the 32 bytes of the key. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SEED_BYTES = 32

export async function makeSigningKey(random: Random, createdAtMs: number): Promise<IssuerKey> {
  const der = Buffer.concat([PKCS8_PREFIX, random.bytes(SEED_BYTES)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' }) as { x: string }
  const { d } = privateKey.export({ format: 'jwk' }) as { d: string }
  const bare = { kty: 'OKP', crv: 'Ed25519', x }
  const kid = await calculateJwkThumbprint(bare)
  const publicJwk = { ...bare, kid, alg: 'EdDSA', use: 'sig' }
  return { kid, privateJwk: { ...publicJwk, d }, publicJwk, createdAtMs, retiredAtMs: null }
}
