/**
 * What `octopus consume` reads, and in which order and at which pace: its flags as options of a consumer. Pure; "now" is
 * an argument. Flags that contradict each other are refused with what would be right.
 */
import type { EndPosition, StartPosition } from '../../client/index.ts'
import { usage } from './failure.ts'
import { parseEndPosition, parseStartPosition } from './start-position.ts'

export interface ReadFlags {
  readonly from?: string
  readonly last?: number
  readonly to?: string
  readonly late?: number
  readonly order?: 'arrival' | 'time'
  readonly speed?: number
}

export interface ReadOptions {
  readonly from: StartPosition
  readonly to?: EndPosition
  readonly lateMs?: number
  readonly order?: 'arrival' | 'time'
  readonly speed?: number
}

/** Throws the failure of a wrong command line. */
export function readOptions(flags: ReadFlags, nowMs: number): ReadOptions {
  const { from: fromText, to: toText, late, last, order, speed } = flags
  if (last !== undefined && fromText !== undefined)
    throw usage('--last and --from both say where to begin: leave one of them out')
  const from: StartPosition =
    last !== undefined ? { last } : parsed('--from', () => parseStartPosition(fromText ?? 'latest', nowMs))
  if (speed !== undefined && from === 'latest')
    throw usage(
      '--speed replays what is stored: say from where, as in --from earliest, --from @-1h or --last 100',
    )
  if (speed !== undefined && order === 'arrival')
    throw usage('--speed has the order of time: leave --order arrival out')
  const to = toText === undefined ? undefined : endPosition(toText, from, nowMs)
  if (late !== undefined && !(to && 'timeMs' in to))
    throw usage('--late says how long reading goes on behind the time of --to: give one, as in --to @-1h')
  return {
    from,
    ...(to !== undefined && { to }),
    ...(late !== undefined && { lateMs: late }),
    ...(order !== undefined && { order }),
    ...(speed !== undefined && { speed }),
  }
}

function endPosition(text: string, from: StartPosition, nowMs: number): EndPosition {
  const to = parsed('--to', () => parseEndPosition(text, nowMs))
  if (from === 'latest')
    throw usage('--to ends what is stored: say from where, as in --from earliest or --from @-2h')
  if (from === 'earliest') return to
  if ('last' in from) throw usage('--last counts from the end: leave --to out')
  const isEmpty =
    ('offset' in from && 'offset' in to && from.offset >= to.offset) ||
    ('timeMs' in from && 'timeMs' in to && from.timeMs >= to.timeMs)
  if (isEmpty)
    throw usage(
      `--to: nothing lies between ${placeText(from)} and ${placeText(to)}; the end must be behind --from`,
    )
  return to
}

function placeText(place: EndPosition): string {
  return 'offset' in place ? `offset ${place.offset}` : timeText(place.timeMs)
}

/** A time for people, also one that no calendar has. */
export function timeText(timeMs: number): string {
  const time = new Date(timeMs)
  return Number.isNaN(time.getTime()) ? `${timeMs} ms since 1970` : time.toISOString()
}

function parsed<P>(flag: string, parse: () => P): P {
  try {
    return parse()
  } catch (error) {
    throw usage(`${flag}: ${(error as RangeError).message}`)
  }
}
