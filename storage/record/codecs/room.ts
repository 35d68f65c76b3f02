/** Room for what is unpacked. */

/**
 * The bytes that were used. What was too much is given back if that is worth a copy, and if the copy fits into the
 * bound beside it.
 */
export function usedRoom(room: Uint8Array, length: number, bytesMax: number): Uint8Array {
  if (length === room.length) return room
  const isMuch = room.length - length > length / 8
  return isMuch && room.length + length <= bytesMax ? room.slice(0, length) : room.subarray(0, length)
}
