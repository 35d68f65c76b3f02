/**
 * What the demo shows while it runs: a picture of numbers as text. Pure; the colours come in, so that a
 * test draws without any.
 */
import type { ChalkInstance } from 'chalk'

export interface View {
  readonly elapsedMs: number
  readonly events: number
  readonly agents: number
  readonly published: number
  readonly acknowledged: number
  readonly consumed: number
  /** Per second, now. */
  readonly rates: { readonly published: number; readonly acknowledged: number; readonly consumed: number }
  readonly broker: { readonly state: BrokerState; readonly url: string; readonly kills: number }
  readonly topics: readonly TopicView[]
  /** What happened so far, oldest first. */
  readonly notes: readonly string[]
}

export type BrokerState = 'starting' | 'serving' | 'killed' | 'recovering' | 'stopped'

export interface TopicView {
  readonly name: string
  /** Events consumed by partition. */
  readonly partitions: readonly number[]
  /** Events consumed by region. */
  readonly regions: ReadonlyMap<string, number>
}

const REGIONS_SHOWN = 6
const NOTES_SHOWN = 8
const WIDTH_MAX = 100

/** The whole picture; lines are no wider than `columns`. */
export function frame(view: View, columns: number, colors: ChalkInstance): string {
  const width = Math.min(columns, WIDTH_MAX) - 2
  const rates = view.broker.state === 'stopped' ? undefined : view.rates
  const lines = [
    '',
    colors.bold('Octopus demo') +
      colors.dim(`  ${number(view.events)} real events, ${view.agents} agents, one broker, one consumer`),
    '',
    `${label('broker')}${brokerState(view, colors)}`,
    progressLine('published', view.published, rates?.published, view.events, width, colors.cyan, colors),
    progressLine(
      'acknowledged',
      view.acknowledged,
      rates?.acknowledged,
      view.events,
      width,
      colors.green,
      colors,
    ),
    progressLine('consumed', view.consumed, rates?.consumed, view.events, width, colors.blue, colors),
    ...view.topics.flatMap((topic) => topicLines(topic, width, colors)),
    '',
    ...view.notes.slice(-NOTES_SHOWN).map((note) => truncated(note, width)),
  ]
  return lines.map((line) => ` ${line}`.trimEnd()).join('\n')
}

/** One plain line, for where no picture can be drawn. */
export function plainLine(view: View): string {
  return [
    `${(view.elapsedMs / 1000).toFixed(1)} s`.padStart(7),
    `published ${number(view.published)}`,
    `acknowledged ${number(view.acknowledged)} (${number(view.rates.acknowledged)}/s)`,
    `consumed ${number(view.consumed)}`,
    `broker ${view.broker.state}`,
  ].join('  ')
}

/** `once`, `twice`, `3 times` */
export function times(count: number): string {
  return count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`
}

/** `201,707` */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

const LABEL_WIDTH = 14
const COUNT_WIDTH = 30

function label(text: string): string {
  return text.padEnd(LABEL_WIDTH)
}

function brokerState(view: View, colors: ChalkInstance): string {
  const { state, url, kills } = view.broker
  const paint = {
    starting: colors.yellow,
    serving: colors.green,
    killed: colors.red,
    recovering: colors.yellow,
  }
  const painted = state === 'stopped' ? colors.dim('■ stopped') : paint[state](`● ${state}`)
  const killed = kills === 0 ? '' : `, killed ${times(kills)}`
  return `${painted}  ${colors.dim(`${url}${killed}, ${(view.elapsedMs / 1000).toFixed(1)} s`)}`
}

function progressLine(
  name: string,
  count: number,
  rate: number | undefined,
  total: number,
  width: number,
  paint: ChalkInstance,
  colors: ChalkInstance,
): string {
  const cells = Math.max(10, width - LABEL_WIDTH - COUNT_WIDTH)
  const counts = `${number(count).padStart(9)}${(rate === undefined ? '' : `${number(rate)}/s`).padStart(12)}`
  return `${label(name)}${bar(count / total, cells, paint, colors)}${counts}`
}

function topicLines(topic: TopicView, width: number, colors: ChalkInstance): string[] {
  const regions = [...topic.regions].sort((a, b) => b[1] - a[1])
  const shown = regions.slice(0, REGIONS_SHOWN)
  const rest = regions.slice(REGIONS_SHOWN).reduce((sum, [, count]) => sum + count, 0)
  const largest = shown[0]?.[1] ?? 1
  const nameWidth = 22
  const cells = Math.max(10, width - nameWidth - COUNT_WIDTH)
  const lines = shown.map(
    ([name, count]) =>
      `  ${name.slice(0, nameWidth - 3).padEnd(nameWidth - 2)}${bar(count / largest, cells, colors.magenta, colors)}${number(count).padStart(9)}`,
  )
  const more = regions.length - shown.length
  const restLine =
    more > 0 ? `  and ${more} more ${more === 1 ? 'region' : 'regions'}: ${number(rest)}` : '  '
  const partitions = topic.partitions.map((count, partition) => `${partition}:${number(count)}`).join(' ')
  return [
    '',
    colors.bold(topic.name) + colors.dim(truncated(`  partitions ${partitions}`, width - topic.name.length)),
    ...lines,
    ...new Array<string>(REGIONS_SHOWN - shown.length).fill(''),
    colors.dim(restLine),
  ]
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function bar(share: number, cells: number, paint: ChalkInstance, colors: ChalkInstance): string {
  const steps = Math.round(Math.min(1, Math.max(0, share)) * cells * 8)
  const drawn = '█'.repeat(Math.floor(steps / 8)) + eighths[steps % 8]
  return paint(drawn) + colors.dim('·'.repeat(cells - drawn.length))
}

function truncated(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}
