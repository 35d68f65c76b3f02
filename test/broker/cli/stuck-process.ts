/** A process that has asked to be killed when it is stuck: `stuck` then blocks for ever, `exit` ends at once. */
import { killWhenStuck } from '../../../broker/cli/last-resort.ts'

const [behaviour, afterMs] = process.argv.slice(2)
const guardian = killWhenStuck(Number(afterMs), (error) => {
  throw error
})
process.stdout.write(`${guardian}`)
if (behaviour === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
