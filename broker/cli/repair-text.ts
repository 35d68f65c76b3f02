/** A repair plan as text for people: what is lost, by partition, and what is done. Pure. */
import prettyBytes from 'pretty-bytes'
import type { RepairPlan } from '../../storage/verify/repair-plan.ts'
import { findingLine } from './finding-line.ts'
import { table } from './table.ts'

/** Ranges of offsets shown for a partition; the findings above name them all. */
const RANGES_SHOWN = 5

export function planText(plan: RepairPlan): string {
  const { segments, losses, unknownValues, mended, left } = plan
  const text: string[] = ['\nWhat a repair would do:\n']
  for (const { id, bytes, isActive } of segments)
    text.push(
      `  write segment ${id} anew (${prettyBytes(bytes)}${isActive ? ', the active one' : ''}), the damaged file is kept\n`,
    )
  if (segments.length === 0) text.push('  nothing: what is damaged cannot be repaired here\n')
  if (mended > 0) text.push(`  mend ${mended} ${mended === 1 ? 'damage' : 'damages'} without loss\n`)
  if (losses.length > 0) {
    text.push('\nWhat is lost, and will be marked as lost:\n')
    const columns = [
      { title: 'topic' },
      { title: 'partition', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'which' },
    ] as const
    const rows = losses.map(({ topic, topicId, partition, ranges, offsets, bytes }) => {
      const shown = ranges
        .slice(0, RANGES_SHOWN)
        .map(({ offset, endOffset }) =>
          endOffset - offset === 1 ? `${offset}` : `${offset} to ${endOffset - 1}`,
        )
      const more = ranges.length > RANGES_SHOWN ? `, and ${ranges.length - RANGES_SHOWN} ranges more` : ''
      return [topic ?? topicId, partition, offsets, prettyBytes(bytes), `${shown.join(', ')}${more}`]
    })
    text.push(table(columns, rows))
  } else text.push('\nNo record that is known of is lost.\n')
  if (unknownValues > 0)
    text.push(
      `\nOf ${unknownValues} damaged ${unknownValues === 1 ? 'value' : 'values'} the directory is lost or in doubt: where one was at the end of a partition, that ends earlier.\n`,
    )
  if (left.length > 0) {
    text.push('\nWhat a repair can do nothing about:\n')
    for (const finding of left) text.push(`  ${findingLine(finding)}\n`)
  }
  return `${text.join('')}\n`
}
