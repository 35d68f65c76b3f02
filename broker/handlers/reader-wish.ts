/** What a fetch asks for beside places: which records, packed how. What is wrong with that refuses the whole request. */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { FetchRequest } from '../../client/protocol/messages/fetch.ts'
import { type CompressionName, compressionCodes } from '../../storage/record/compression.ts'
import type { CompiledPatterns } from '../filters/compiled-patterns.ts'
import type { ReaderWish } from '../filters/fetch-shaper.ts'
import type { RecordPattern } from '../filters/pattern.ts'
import { PatternError } from '../filters/pattern-error.ts'

/** Characters of a filter that is read at once. More of it takes so long that others must have their turns. */
const READ_NOW_CHARACTERS_MAX = 2_048

/** Whether what is asked for is so long to read that it has to wait for its turn. */
export function takesLong({ filter }: Pick<FetchRequest, 'filter'>, patterns: CompiledPatterns): boolean {
  return filter !== null && filter.length > READ_NOW_CHARACTERS_MAX && !patterns.has(filter)
}

/** Undefined: everything, as it is stored. Throws {@link ProtocolError}. */
export function readerWish(
  { filter, compressions }: Pick<FetchRequest, 'filter' | 'compressions'>,
  patterns: CompiledPatterns,
): ReaderWish | undefined {
  if (filter === null && compressions === null) return undefined
  const wish = {
    filter: filter === null ? undefined : compiled(filter, patterns),
    compressions: compressions === null ? undefined : codecsOf(compressions),
  }
  return wish.filter || wish.compressions ? wish : undefined
}

function compiled(text: string, patterns: CompiledPatterns): RecordPattern {
  try {
    return patterns.of(text)
  } catch (error) {
    if (error instanceof PatternError)
      throw new ProtocolError(ErrorCode.INVALID_FILTER, error.message, { cause: error })
    throw error
  }
}

/** Undefined: all there are. */
function codecsOf(names: readonly string[]): ReadonlySet<CompressionName> | undefined {
  const known = Object.keys(compressionCodes) as CompressionName[]
  const codecs = new Set<CompressionName>(['none'])
  for (const name of names) {
    const codec = known.find((each) => each === name)
    if (!codec)
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `compressions: there is no codec ${JSON.stringify(name)}; there are ${known.join(', ')}`,
      )
    codecs.add(codec)
  }
  return codecs.size === known.length ? undefined : codecs
}
