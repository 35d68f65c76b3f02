/** CPU time that several processes took together over a stretch of time, from `/proc`; null where there is none. */
import type { BrokerProcess } from '../brokers/broker-process.ts'
import type { LoadProcess } from '../load/load-process.ts'
import { exactCpuSeconds, loopCpuSeconds } from './process-statistics.ts'

export interface CpuUse {
  readonly seconds: number
  /** Of the broker's process, all its threads. */
  readonly brokerSeconds: number | null
  /** Of its event loop. */
  readonly loopSeconds: number | null
  /** Of the load generators. */
  readonly generatorSeconds: number | null
}

/** From now on, until the returned function is called. */
export function watchCpu(broker: BrokerProcess, loads: readonly LoadProcess[]): () => CpuUse {
  const look = () => ({
    seconds: performance.now() / 1000,
    brokerSeconds: exactCpuSeconds(broker.pid),
    loopSeconds: loopCpuSeconds(broker.pid),
    generatorSeconds: sumOf(loads.map(({ pid }) => exactCpuSeconds(pid))),
  })
  const start = look()
  return () => {
    const end = look()
    return {
      seconds: end.seconds - start.seconds,
      brokerSeconds: difference(end.brokerSeconds, start.brokerSeconds),
      loopSeconds: difference(end.loopSeconds, start.loopSeconds),
      generatorSeconds: difference(end.generatorSeconds, start.generatorSeconds),
    }
  }
}

function sumOf(values: readonly (number | undefined)[]): number | undefined {
  let sum = 0
  for (const value of values) {
    if (value === undefined) return undefined
    sum += value
  }
  return sum
}

function difference(end: number | undefined, start: number | undefined): number | null {
  return end === undefined || start === undefined ? null : end - start
}
