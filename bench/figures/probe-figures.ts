/** What the probes of a run say together: their medians, every sample, and whether the machine held still. Pure. */
import type { Probe } from '../machine/probes.ts'
import { noiseOf } from './noise.ts'
import { median } from './statistics.ts'

export function probeFigures(probes: readonly Probe[]) {
  const disk = probes.map((probe) => probe.disk.megabytesPerSecond)
  const fdatasync = probes.map((probe) => probe.fdatasyncP50Ms)
  return {
    disk: { megabytesPerSecond: median(disk), chunkBytes: probes[0].disk.chunkBytes, samples: disk },
    fdatasync: { p50Ms: median(fdatasync), samples: fdatasync },
    ...noiseOf(disk, fdatasync),
  }
}
