/** The value of `--key-separator` as bytes: any text; `\t` is a tab, since shells make that hard to type. */
import { usage } from './failure.ts'

export function keySeparator(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  if (text === '') throw usage('--key-separator: it cannot be empty; give a text such as : or \\t')
  return Buffer.from(text.replaceAll('\\t', '\t'))
}

/** The key and the value of a line: what stands before and after the first separator. */
export function splitKey(
  line: Uint8Array,
  separator: Uint8Array,
): { readonly key: Uint8Array | null; readonly value: Uint8Array } {
  const at = Buffer.from(line.buffer, line.byteOffset, line.byteLength).indexOf(separator)
  if (at < 0) return { key: null, value: line }
  return { key: line.subarray(0, at), value: line.subarray(at + separator.length) }
}
