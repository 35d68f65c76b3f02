/** Topic ids: 16 bytes on the wire, 32 hexadecimal digits wherever a person or a Map key needs them. */

const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function topicIdText(topicId: Uint8Array): string {
  let text = ''
  for (const byte of topicId) text += digits[byte]
  return text
}

export function sameTopicId(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false
  return true
}
