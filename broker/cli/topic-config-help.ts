/**
 * The configs of a topic as `--help` shows them: name, what it means, what may be said, what holds if nothing is said.
 * Pure.
 */
import { topicConfigs } from '../topics/topic-config.ts'

/** @param columns as wide as the lines may be */
export function topicConfigHelp(columns: number): string {
  const sections = topicConfigs.map(({ name, fallback, sentence, allowed }) => {
    const text = `${sentence} Default ${fallback}${allowed === JSON.stringify(fallback) ? ', the only value' : `; ${allowed}`}.`
    return [`  ${name}`, ...wrapped(text, columns - 6).map((line) => `      ${line}`)].join('\n')
  })
  return `\nConfigurations:\n${sections.join('\n')}`
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
