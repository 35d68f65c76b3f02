/** Names of fields are found by their bytes, at nodes with few and with many of them, whatever their length. */
import t from 'tap'
import { textBytes } from '../../../../broker/filters/json/json-text.ts'
import { FieldNames } from '../../../../broker/filters/matching/field-names.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { seededRandom } from '../../../support/seeded-random.ts'

const soak = process.env.OCTOPUS_SOAK ? 50 : 1

t.test('each name of each node, and no other', async (t) => {
  const random = seededRandom(t)
  const name = () =>
    Array.from({ length: random.below(70) }, () => random.pick(['a', 'b', 'é', '\ud83d'])).join('')
  for (const _ of roundsOf(t, soak * 200)) {
    let nodes = 9
    const fields = Array.from({ length: 5 }, () => {
      if (random.below(4) === 0) return undefined
      const names = Array.from({ length: random.pick([1, 4, 5, 200]) }, name)
      return new Map(names.map((one) => [one, nodes++]))
    })
    const table = new FieldNames(fields)
    const asked = [
      ...fields.flatMap((known) => [...(known?.keys() ?? [])]),
      ...Array.from({ length: 20 }, name),
    ]
    for (const one of asked) {
      const bytes = textBytes(`x${one}y`)
      for (const [node, known] of fields.entries()) {
        const said = table.find(node, bytes, 1, bytes.length - 1)
        // A map keeps the last of equal names, but with the place of the first.
        if (said !== (known?.get(one) ?? 0)) throw new Error(`${said} for ${JSON.stringify(one)} at ${node}`)
      }
    }
  }
})
