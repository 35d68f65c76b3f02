/** What the demo found in the end, and whether it adds up. Pure. */
import { number, times } from './view.ts'

export interface Outcome {
  /** Rows of the data sets that were to be published. */
  readonly dataSet: { readonly earthquakes: number; readonly flights: number }
  /** Events the agents handed to the SDK. */
  readonly published: number
  /** Events acknowledged, each counted once. */
  readonly acknowledged: number
  /** Records the live consumer was handed. */
  readonly consumed: number
  /** Events among them, each counted once. */
  readonly consumedDistinct: number
  /** Records the live consumer was handed out of order. */
  readonly outOfOrder: number
  /** Records read from the point in time to the end, and how many there had to be. */
  readonly replayed: number
  readonly replayExpected: number
  /** How often the broker was killed, and agents. */
  readonly kills: number
  readonly agentKills: number
  /** How many agents there were, and how many of their keys the broker refused to read with. */
  readonly agents: number
  readonly readsRefused: number
  /** Records stored in the end. */
  readonly stored: number
  /** Acknowledged events that are not exactly where they were acknowledged. */
  readonly missing: number
  readonly duplicated: number
  /** Records nobody published as they stand. */
  readonly foreign: number
  /** Records the live consumer saw and that were gone, or others, in the end. */
  readonly vanished: number
  readonly brokerExitCode: number | null
  readonly seconds: number
}

export interface Check {
  readonly ok: boolean
  readonly sentence: string
}

/** Every claim of the demo, compared with the data sets and with the acknowledgements. */
export function checks(outcome: Outcome): Check[] {
  const events = outcome.dataSet.earthquakes + outcome.dataSet.flights
  const { published, acknowledged, consumed, consumedDistinct, replayed, stored, duplicated } = outcome
  return [
    {
      ok: published === events,
      sentence: `published ${number(published)} of the ${number(events)} events of the data sets (${number(outcome.dataSet.earthquakes)} earthquakes, ${number(outcome.dataSet.flights)} flights)`,
    },
    {
      ok: acknowledged === published,
      sentence: `acknowledged ${number(acknowledged)}, each fsynced first`,
    },
    {
      ok: outcome.kills > 0,
      sentence: `broker killed with SIGKILL ${times(outcome.kills)} while the agents were publishing`,
    },
    {
      ok: outcome.agentKills > 0,
      sentence: `agents killed with SIGKILL ${times(outcome.agentKills)}; each went on behind what the broker had of it`,
    },
    {
      ok: outcome.agents > 0 && outcome.readsRefused === outcome.agents,
      sentence: `refused ${number(outcome.readsRefused)} of ${number(outcome.agents)} agents that tried to read: their keys only write`,
    },
    {
      ok: outcome.missing === 0,
      sentence: `missing ${number(outcome.missing)}: acknowledged events that are not, byte for byte, at their partition and offset`,
    },
    {
      ok: outcome.foreign === 0 && stored === events,
      sentence: `stored ${number(stored)} records: each event once, ${number(duplicated)} of them again, ${number(outcome.foreign)} that nobody published`,
    },
    {
      ok: consumedDistinct === events && consumed === stored && outcome.outOfOrder === 0,
      sentence: `consumed ${number(consumed)} live, in order, through the same kills`,
    },
    {
      ok: outcome.vanished === 0,
      sentence: `vanished ${number(outcome.vanished)}: records the live consumer saw and that were gone later`,
    },
    {
      ok: replayed === outcome.replayExpected && replayed > 0,
      sentence: `replayed ${number(replayed)} from the middle of the stream by time, expected ${number(outcome.replayExpected)}`,
    },
    { ok: outcome.brokerExitCode === 0, sentence: 'broker stopped cleanly on SIGTERM' },
  ]
}
