/** The setting `auth.administrators`: principals in text form. Flags and variables have it as one text with commas. */
import { z } from 'zod'
import { parseWrittenPrincipal } from '../../auth/principal.ts'

export const administrators = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',').flatMap((part) => part.trim() || []) : value),
    z.array(z.string()),
  )
  .superRefine((names, context) => {
    for (const name of names) {
      const parsed = parseWrittenPrincipal(name)
      const problem =
        'problem' in parsed
          ? parsed.problem
          : parsed.kind === 'anonymous' || parsed.kind === 'authenticated'
            ? 'would make everybody an administrator; name a user, a group or a role'
            : undefined
      if (problem !== undefined)
        context.addIssue({ code: 'custom', message: `${JSON.stringify(name)} ${problem}`, input: names })
    }
  })
