/** A finding of verify as a line for people: how bad, what, where, and a sentence. Pure. */
import { type Finding, placeName } from '../../storage/verify/finding.ts'

export function findingLine(finding: Finding): string {
  const { severity, code, file, sentence } = finding
  const place = placeName(finding) || file || ''
  return `${severity}  ${code}  ${place}: ${sentence.replace(/\s*\n\s*/g, ' ')}`
}
