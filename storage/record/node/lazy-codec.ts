/**
 * A codec whose library is loaded when it is first used: who never meets a zstd batch does not pay for its
 * WebAssembly, and where a library has no binary for a platform only that codec is missing, and says so.
 */

import { reasonOf } from '../codecs/refusals.ts'
import { type CompressionCodec, CompressionError, type CompressionName } from '../compression.ts'

/** `library` is what a person would look for. */
export function lazyCodec(
  name: CompressionName,
  library: string,
  load: () => CompressionCodec,
): CompressionCodec {
  let loaded: CompressionCodec | undefined
  let failure: CompressionError | undefined

  /** Tried once: a library that is not there will not be there the next time, and looking for it takes long. */
  function codec(): CompressionCodec {
    if (loaded) return loaded
    if (failure) throw failure
    try {
      loaded = load()
      return loaded
    } catch (cause) {
      failure = new CompressionError(
        'unavailable',
        `${name}: the library ${library} cannot be loaded on this platform; use another compression (${reasonOf(cause)})`,
        { cause },
      )
      throw failure
    }
  }

  return {
    prepare: () => {
      codec()
    },
    compress: (bytes, level) => codec().compress(bytes, level),
    decompress: (bytes, bytesMax) => codec().decompress(bytes, bytesMax),
  }
}
