/**
 * Gzip by Node's zlib, bounded: RFC 1952, levels 1 to 9. zlib hands out its output in pieces and is stopped at the
 * bound, so that a bomb takes no more than that.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { type CompressionCodec, CompressionError } from '../compression.ts'

const levels = { min: 1, max: 9, default: 6 }

export const gzip: CompressionCodec = {
  levels,
  compress(bytes, level = levels.default) {
    if (!Number.isInteger(level) || level < levels.min || level > levels.max)
      throw new CompressionError(
        'level',
        `gzip: level is ${level}, must be from ${levels.min} to ${levels.max}`,
      )
    return gzipSync(bytes, { level })
  },
  decompress(bytes, bytesMax) {
    try {
      return gunzipSync(bytes, { maxOutputLength: Math.max(bytesMax, 1) })
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'ERR_BUFFER_TOO_LARGE')
        throw new CompressionError(
          'too-large',
          `gzip: ${bytes.length} bytes take more than ${bytesMax} unpacked, the most that is taken`,
          { cause },
        )
      throw new CompressionError(
        'corrupt',
        `gzip: ${bytes.length} bytes are no gzip members, whole and sound: ${message}`,
        { cause },
      )
    }
  },
}
