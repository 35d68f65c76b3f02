/** 64-bit integers as JavaScript numbers: exact to 2^53, which offsets and times never reach. */

export function writeInt64(data: DataView, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32)
  data.setInt32(at, high)
  data.setUint32(at + 4, value - high * 2 ** 32)
}

export function readInt64(data: DataView, at: number): number {
  return data.getInt32(at) * 2 ** 32 + data.getUint32(at + 4)
}
