/** A view of bytes through which several can be read at once. Making one for each text would cost more than it gives. */

let bytesOfView: Uint8Array = new Uint8Array(0)
let view: DataView = new DataView(bytesOfView.buffer)

/** Keeps the bytes it was asked for last, one for the whole thread, from being collected. */
export function wordViewOf(bytes: Uint8Array): DataView {
  if (bytes !== bytesOfView) {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    bytesOfView = bytes
  }
  return view
}
