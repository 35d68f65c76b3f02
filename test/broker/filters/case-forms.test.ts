/** Ignoring case, for every character there is. */
import t from 'tap'
import { caseForms } from '../../../broker/filters/case-forms.ts'

t.test('a character stands for itself, its lower and its upper case', async (t) => {
  t.same(caseForms('a'), ['a', 'A'])
  t.same(caseForms('Ä'), ['Ä', 'ä'])
  t.same(caseForms('5'), ['5'])
  t.same(caseForms('ß'), ['ß', 'SS'])
  t.same(caseForms('ǅ'), ['ǅ', 'ǆ', 'Ǆ'])
  t.same(caseForms('Σ'), ['Σ', 'σ'])
  t.same(caseForms('ς'), ['ς', 'Σ'])
  t.same(caseForms('k'), ['k', 'K'], 'not the Kelvin sign')
  t.same(caseForms('𐐨'), ['𐐨', '𐐀'], 'beyond the basic plane too')
})

t.test('no form of a character begins or ends with another', async (t) => {
  const odd: string[] = []
  let withForms = 0
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    const forms = caseForms(String.fromCodePoint(code))
    if (forms.length > 1) withForms++
    for (const form of forms)
      for (const other of forms)
        if (form !== other && (form.startsWith(other) || form.endsWith(other))) odd.push(`${form} ${other}`)
  }
  t.same(odd, [])
  t.ok(withForms > 2000, `${withForms} characters have cases`)
})
