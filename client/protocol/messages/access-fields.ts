/** How rights are written, in whatever message they stand: principals, resources and operations are texts. */
import { field, int53, list, nullable, struct, text } from '../schema.ts'

export const principalName = text(300)
const PRINCIPAL_FORMS = '`user:ID`, `group:ID`, `role:ID`, `authenticated` or `anonymous`'
export const principal = field(principalName, `Whom it is about: ${PRINCIPAL_FORMS}.`)

export const principalId = text(256)
/** Groups and roles one principal may have, and one request may name. */
const MEMBERSHIPS_MAX = 1_000
export const memberships = list(principalId, MEMBERSHIPS_MAX)

/** What a new credential is to bring along. */
export const asksFor = {
  groups: field(
    memberships,
    'Groups it makes its principal a member of; for oneself, none means all of one’s own.',
  ),
  roles: field(memberships, 'Roles it gives its principal; for oneself, none means all of one’s own.'),
}

export const resourceName = text(300)
const RESOURCE_FORMS =
  '`cluster`, or `namespace:`, `topic:`, `group:`, `producer:` or `transactional-id:` with a name; `*` at its end: all names that begin so'
export const resource = field(resourceName, `What it is about: ${RESOURCE_FORMS}.`)

const operationName = text(16)
export const operation = field(
  operationName,
  'One of `describe`, `read`, `write`, `create`, `alter`, `delete` and `grant`.',
)
export const operations = field(
  list(operationName, 16),
  'Which of `describe`, `read`, `write`, `create`, `alter`, `delete` and `grant`; each of the others brings describe along.',
)

/** Parts of the scope of one credential. */
const SCOPE_PARTS_MAX = 100

export const scope = nullable(list(struct('ScopePart', { operations, resource }), SCOPE_PARTS_MAX))

export const expiresAtMs = field(
  nullable(int53),
  'From then on it is as if it were not there, ms since 1970; null: never.',
)

export const owners = list(principalName, 100)
