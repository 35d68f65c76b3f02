/**
 * Tables for people: plain columns without frames, so that they read well, paste well and grep well. Whatever is in
 * them stays in its line and commands no terminal: a broker may be anybody's.
 */
import Table from 'cli-table3'
import { showable } from '../../auth/showable-text.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const noFrame = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** Lines of a table, each without blanks at its end, with a newline after the last. */
export function table(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string {
  const drawn = new Table({
    head: columns.map((column) => column.title.toUpperCase()),
    colAligns: columns.map((column) => column.align ?? 'left'),
    chars: noFrame,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  })
  for (const row of rows) drawn.push(row.map(cell))
  return `${drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
}

/** `name  value` lines. */
export function pairs(entries: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}\n`).join('')
}

function cell(value: string | number): string | number {
  return typeof value === 'string' ? showable(value) : value
}
