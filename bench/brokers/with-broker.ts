/**
 * A broker on a fresh directory, with the load generators that are asked for, for the time of one measurement:
 * whatever happens, no process and no byte of data is left behind.
 */
import { rm } from 'node:fs/promises'
import { LoadProcess } from '../load/load-process.ts'
import { type BrokerKind, BrokerProcess, type Settings } from './broker-process.ts'
import { makeSelfSigned } from './self-signed.ts'

export interface BrokerPlan {
  /** Made by the broker, removed at the end. */
  readonly data: string
  readonly kind?: BrokerKind
  readonly settings?: Settings
  /** Encrypted, with a certificate that is made for it and that its load generators trust. */
  readonly tls?: boolean
}

/** Rejects with the last words of the broker when anything fails, also its orderly stop. */
export async function withBroker<T>(
  { data, kind = 'durable', settings = {}, tls = false }: BrokerPlan,
  run: (broker: BrokerProcess, newLoad: () => LoadProcess) => Promise<T>,
): Promise<T> {
  const certificate = tls ? await makeSelfSigned(`${data}-tls`) : undefined
  const broker = new BrokerProcess(data, kind, settings, certificate)
  const loads: LoadProcess[] = []
  const newLoad = () => {
    const load = new LoadProcess(certificate?.certFile)
    loads.push(load)
    return load
  }
  try {
    await broker.start()
    const result = await run(broker, newLoad)
    await broker.stop()
    return result
  } catch (error) {
    throw broker.explain(error)
  } finally {
    for (const load of loads) load.destroy()
    broker.destroy()
    for (const path of [data, `${data}-tls`]) await rm(path, { recursive: true, force: true })
  }
}
