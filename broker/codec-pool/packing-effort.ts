/**
 * What packing costs, so that little bytes with much effort go to a thread too. Pure.
 *
 * Measured for 64 KB of JSON events of 200 bytes on one core of the machine of our benches, in ms: lz4 0.2, zstd level 1 0.28, 4 0.42, 5 0.78,
 * 9 1.8, 12 3.2, 15 9, 19 29; gzip 1 0.45, 3 0.56, 6 1.1, 9 1.8. `npm run bench -- codecs` shows the present ones.
 */
import { type CompressionName, compressionLevels } from '../../storage/record/compression.ts'

export interface Packing {
  readonly compression: CompressionName
  readonly level?: number | undefined
}

/** Levels up to the first number have the second as effort; those above the last have that. */
type Steps = readonly (readonly [levelMax: number, effort: number])[]

const steps: Partial<Record<CompressionName, Steps>> = {
  gzip: [
    [3, 2],
    [6, 4],
    [9, 6],
  ],
  zstd: [
    [4, 1],
    [9, 6],
    [12, 12],
    [22, 100],
  ],
}

/** How many times what zstd level 1 takes for as many bytes, about. */
export function packingEffort({ compression, level }: Packing): number {
  const known = steps[compression]
  if (known === undefined) return 1
  const { default: usual } = compressionLevels[compression as keyof typeof compressionLevels]
  return (known.find(([levelMax]) => (level ?? usual) <= levelMax) ?? known[known.length - 1])[1]
}
