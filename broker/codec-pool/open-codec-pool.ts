/** The codec pool of a node: set up as its configuration says, watched by its metrics and its log. */
import type { Logger } from 'pino'
import type { Config } from '../config/schema.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { SystemPorts } from '../system-ports.ts'
import type { CodecPool } from './codec-pool.ts'

export function openCodecPool(
  { codecPool, config, logger }: Pick<SystemPorts, 'codecPool'> & { config: Config; logger: Logger },
  metrics: Metrics,
): CodecPool {
  return codecPool({
    ...config.codecs,
    observer: {
      performed: (kind, where, waitMs, runMs) => metrics.performedTask(kind, where, waitMs, runMs),
      workerDied: (end, sentence, tasks) =>
        logger.error({ end, reason: sentence, tasks }, 'a worker of the codec pool has ended'),
    },
  })
}
