/**
 * Preloaded (`node --import`) into every process the demo starts: when the demo is gone, however it
 * went, the channel to it closes and the process ends. So nothing is ever left running.
 *
 * Worker threads of these processes are given it, too. They have no channel, and end with their process.
 */
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  process.once('disconnect', () => process.exit(1))
  // It may have gone before this line was reached; then the event is over.
  if (!process.connected) process.exit(1)
  // The channel alone must not keep a process alive that has finished.
  process.channel?.unref()
}
