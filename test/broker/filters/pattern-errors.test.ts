/** What is refused as a filter, word for word and place for place. */
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { PatternError } from '../../../broker/filters/pattern-error.ts'
import { patternLimits } from '../../../broker/filters/pattern-limits.ts'
import { seededRandom } from '../../support/seeded-random.ts'

function refused(text: string): PatternError | undefined {
  try {
    parseRecordPattern(text)
    return undefined
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    return error
  }
}

const mistakes: readonly (readonly [text: string, message: string])[] = [
  ['', 'there is nothing: a pattern is a JSON object (line 1, column 1)'],
  ['   ', 'there is nothing: a pattern is a JSON object (line 1, column 4)'],
  [
    '[]',
    'a pattern is an object with one of value, key, headers, timestamp, $or, not a list (line 1, column 1)',
  ],
  [
    '"x"',
    'a pattern is an object with one of value, key, headers, timestamp, $or, not the text "x" (line 1, column 1)',
  ],
  [
    '5',
    'a pattern is an object with one of value, key, headers, timestamp, $or, not the number 5 (line 1, column 1)',
  ],
  ['{}', 'an empty object asks nothing: give one of value, key, headers, timestamp, $or (line 1, column 1)'],
  [
    '{"value":{"a":["x"]}} x',
    'the pattern ends before "x": it is one JSON object and nothing else (line 1, column 23)',
  ],
  [
    '{"value":{"a":["x"]}',
    'a comma or } must stand here, not the end of the text ({ was opened in line 1) (line 1, column 21)',
  ],
  ['{"value":{"a":["x"}}', 'a comma or ] must stand here, not "}" (at /value/a, line 1, column 19)'],
  [
    '{"value":{"a":["x",]}}',
    'this comma is followed by nothing: take it away (at /value/a, line 1, column 19)',
  ],
  [
    '{"value":{"a":["x"],}}',
    'this comma is followed by nothing: take it away (at /value, line 1, column 20)',
  ],
  ['{value:{"a":["x"]}}', 'a name in double quotes must stand here, not "v" (line 1, column 2)'],
  [`{'value':{}}`, `a name in double quotes must stand here, not "'" (line 1, column 2)`],
  [
    `{"value":{"a":['x']}}`,
    'text stands in double quotes, not single ones (at /value/a/0, line 1, column 16)',
  ],
  [
    '{"value":{"a":[x]}}',
    'x is no JSON value: text stands in double quotes (at /value/a/0, line 1, column 16)',
  ],
  ['{"value":{"a":[01]}}', '01 is not a number as JSON writes it (at /value/a/0, line 1, column 16)'],
  ['{"value":{"a":[1.]}}', '1. is not a number as JSON writes it (at /value/a/0, line 1, column 16)'],
  [
    '{"value":{"a":[True]}}',
    'True is no JSON value: text stands in double quotes (at /value/a/0, line 1, column 16)',
  ],
  ['{"value":{"a":["x\ny"]}}', 'a newline inside text is written \\n (at /value/a/0, line 1, column 18)'],
  ['{"value":{"a":["x]}}', 'this text has no closing double quote (at /value/a/0, line 1, column 16)'],
  [
    '{"value":{"a":["\\*"]}}',
    'JSON has no escape \\*; a backslash is written \\\\: in a wildcard an asterisk is \\\\* in JSON (at /value/a/0, line 1, column 17)',
  ],
  [
    '{"value":{"a":["\\u12"]}}',
    '\\u is followed by four hexadecimal digits (at /value/a/0, line 1, column 17)',
  ],
  [
    '{"value":{"a":["\\ud83d"]}}',
    'this text has a half of a surrogate pair, which is no character (at /value/a/0, line 1, column 16)',
  ],
  ['{"value" {"a":["x"]}}', 'a colon must follow the name "value", not "{" (at /value, line 1, column 10)'],
  ['{"value":{"a":["x" "y"]}}', 'a comma or ] must stand here, not "\\"" (at /value/a, line 1, column 20)'],
  [
    '{"value":{"a":["x"],"b":["y"],"a":["z"]}}',
    '"a" is written twice in one object: give it once (at /value/a, line 1, column 31)',
  ],
  ['\ufeff{}', 'the text begins with a byte order mark: save it as UTF-8 without one (line 1, column 1)'],
  ['{"value":{"a":[+1]}}', '+1 is not a number as JSON writes it (at /value/a/0, line 1, column 16)'],
  ['{"value":{"a":[,]}}', 'a JSON value must stand here, not "," (at /value/a/0, line 1, column 16)'],
  [
    '{"vlaue":{"a":["x"]}}',
    'a pattern has value, key, headers, timestamp and $or, but no "vlaue"; did you mean "value"? (at /vlaue, line 1, column 2)',
  ],
  [
    '{"temp":["x"]}',
    'a pattern has value, key, headers, timestamp and $or, but no "temp"; the fields of an event stand inside value, as in {"value": {"temp": …}} (at /temp, line 1, column 2)',
  ],
  [
    '{"value":"x"}',
    'value takes a list of values and rules, or an object of fields: write ["x"] (at /value, line 1, column 10)',
  ],
  [
    '{"value":5}',
    'value takes a list of values and rules, or an object of fields: write [5] (at /value, line 1, column 10)',
  ],
  [
    '{"value":{}}',
    'an object without fields asks nothing: name a field, or leave the object out (at /value, line 1, column 10)',
  ],
  [
    '{"value":[]}',
    'an empty list is satisfied by nothing: give a value or a rule, or leave the field out (at /value, line 1, column 10)',
  ],
  [
    '{"key":{"a":{}}}',
    'an object without fields asks nothing: name a field, or leave the object out (at /key/a, line 1, column 13)',
  ],
  [
    '{"value":{"a":"x"}}',
    '"a" takes a list of values and rules, or an object of fields: write ["x"] (at /value/a, line 1, column 15)',
  ],
  [
    '{"value":{"a":5}}',
    '"a" takes a list of values and rules, or an object of fields: write [5] (at /value/a, line 1, column 15)',
  ],
  [
    '{"value":{"a":null}}',
    '"a" takes a list of values and rules, or an object of fields: write [null] (at /value/a, line 1, column 15)',
  ],
  [
    '{"value":{"a":[]}}',
    'an empty list is satisfied by nothing: give a value or a rule, or leave the field out (at /value/a, line 1, column 15)',
  ],
  [
    '{"value":{"a":[["x"]]}}',
    'a list inside a list is no rule: put its entries into the outer one (at /value/a/0, line 1, column 16)',
  ],
  [
    '{"value":{"a":[{}]}}',
    'an object in a list is a rule and holds one operator: prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists, cidr (at /value/a/0, line 1, column 16)',
  ],
  [
    '{"value":{"a":[{"prefix":"x","suffix":"y"}]}}',
    'an object in a list is a rule and holds one operator, but this one has "prefix" and "suffix": give each an object of its own (at /value/a/0/suffix, line 1, column 30)',
  ],
  [
    '{"value":{"a":[{"prefx":"x"}]}}',
    'there is no operator "prefx"; did you mean "prefix"? (at /value/a/0/prefx, line 1, column 17)',
  ],
  [
    '{"value":{"a":[{"regex":"x"}]}}',
    'there is no operator "regex"; there are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists, cidr (at /value/a/0/regex, line 1, column 17)',
  ],
  [
    '{"value":{"a":[{"prefix":5}]}}',
    'prefix takes a text, not the number 5 (at /value/a/0/prefix, line 1, column 26)',
  ],
  [
    '{"value":{"a":[{"prefix":["x"]}]}}',
    'prefix takes a text, not a list; of a list of texts make a rule of each (at /value/a/0/prefix, line 1, column 26)',
  ],
  [
    '{"value":{"a":[{"prefix":{"equals-ignore-cas":"x"}}]}}',
    'there is no operator inside prefix called "equals-ignore-cas"; did you mean "equals-ignore-case"? (at /value/a/0/prefix/equals-ignore-cas, line 1, column 27)',
  ],
  [
    '{"value":{"a":[{"prefix":{"equals-ignore-case":5}}]}}',
    'equals-ignore-case takes a text, not the number 5 (at /value/a/0/prefix/equals-ignore-case, line 1, column 48)',
  ],
  [
    '{"value":{"a":[{"prefix":{"equals-ignore-case":"x","b":1}}]}}',
    'prefix takes a text, or an object with one operator, but this one has "equals-ignore-case" and "b": give each an object of its own (at /value/a/0/prefix/b, line 1, column 52)',
  ],
  [
    '{"value":{"a":[{"prefix":{}}]}}',
    'prefix takes a text, or an object with one operator: equals-ignore-case (at /value/a/0/prefix, line 1, column 26)',
  ],
  [
    '{"value":{"a":[{"equals-ignore-case":["x"]}]}}',
    'equals-ignore-case takes a text, not a list; of a list of texts make a rule of each (at /value/a/0/equals-ignore-case, line 1, column 38)',
  ],
  [
    '{"value":{"a":[{"wildcard":"a**b"}]}}',
    'two asterisks follow each other in "a**b": one takes any text already (at /value/a/0/wildcard, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"wildcard":"a\\\\b"}]}}',
    'a backslash in a wildcard stands before * or another backslash (in JSON "\\\\*" and "\\\\\\\\"), not before "b" (at /value/a/0/wildcard, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"wildcard":"a\\\\"}]}}',
    'a backslash in a wildcard stands before * or another backslash (in JSON "\\\\*" and "\\\\\\\\"), not before the end (at /value/a/0/wildcard, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"wildcard":["a"]}]}}',
    'wildcard takes a text, not a list; of a list of texts make a rule of each (at /value/a/0/wildcard, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"exists":"true"}]}}',
    'exists takes true or false, not the text "true" (at /value/a/0/exists, line 1, column 26)',
  ],
  [
    '{"value":{"a":[{"exists":1}]}}',
    'exists takes true or false, not the number 1 (at /value/a/0/exists, line 1, column 26)',
  ],
  [
    '{"value":{"a":[{"cidr":"10.0.0.0"}]}}',
    'cidr takes an address, a slash and how many bits count, as in "10.0.0.0/8", not "10.0.0.0" (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":"10.0.0/8"}]}}',
    '"10.0.0" is no IPv4 or IPv6 address (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":"10.0.0.0/33"}]}}',
    'of an IPv4 address 0 to 32 bits can count, not "33" (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":"::/129"}]}}',
    'of an IPv6 address 0 to 128 bits can count, not "129" (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":"10.0.0.0/a"}]}}',
    'of an IPv4 address 0 to 32 bits can count, not "a" (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":"10.0.0.0/8/8"}]}}',
    'cidr takes an address, a slash and how many bits count, as in "10.0.0.0/8", not "10.0.0.0/8/8" (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"cidr":5}]}}',
    'cidr takes a text, not the number 5 (at /value/a/0/cidr, line 1, column 24)',
  ],
  [
    '{"value":{"a":[{"numeric":5}]}}',
    'numeric takes a list, as in {"numeric": [">", 0, "<=", 5]}, not the number 5 (at /value/a/0/numeric, line 1, column 27)',
  ],
  [
    '{"value":{"a":[{"numeric":[]}]}}',
    'numeric needs a comparison, as in {"numeric": [">", 0, "<=", 5]} (at /value/a/0/numeric, line 1, column 27)',
  ],
  [
    '{"value":{"a":[{"numeric":[5]}]}}',
    'here stands one of "=" "<" "<=" ">" ">=", not the number 5 (at /value/a/0/numeric/0, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"numeric":["=="  ,5]}]}}',
    'here stands one of "=" "<" "<=" ">" ">=", not the text "==" (at /value/a/0/numeric/0, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"numeric":[">"]}]}}',
    'a number must follow ">" (at /value/a/0/numeric/0, line 1, column 28)',
  ],
  [
    '{"value":{"a":[{"numeric":[">","5"]}]}}',
    'after ">" a number must stand, not the text "5": take the quotes away (at /value/a/0/numeric/1, line 1, column 32)',
  ],
  [
    '{"value":{"a":[{"numeric":[">","x"]}]}}',
    'after ">" a number must stand, not the text "x" (at /value/a/0/numeric/1, line 1, column 32)',
  ],
  [
    '{"value":{"a":[{"numeric":["=",5,"<",6]}]}}',
    '"=" stands alone: nothing follows its number (at /value/a/0/numeric/2, line 1, column 34)',
  ],
  [
    '{"value":{"a":[{"numeric":["<",5,">",1]}]}}',
    'of two bounds the lower one comes first, as in {"numeric": [">", 0, "<=", 5]}; nothing follows an upper bound (at /value/a/0/numeric/2, line 1, column 34)',
  ],
  [
    '{"value":{"a":[{"numeric":[">",1,">",2]}]}}',
    'after a lower bound an upper one follows, "<" or "<=", not ">" (at /value/a/0/numeric/2, line 1, column 34)',
  ],
  [
    '{"value":{"a":[{"numeric":[">",1,"<"]}]}}',
    'a number must follow "<" (at /value/a/0/numeric/2, line 1, column 34)',
  ],
  [
    '{"value":{"a":[{"numeric":[">",1,"<",5,6]}]}}',
    'two bounds are all: nothing follows the upper one (at /value/a/0/numeric/4, line 1, column 40)',
  ],
  [
    '{"value":{"a":[{"numeric":[">",5,"<",1]}]}}',
    'the upper bound 1 must be above the lower one, 5 (at /value/a/0/numeric/3, line 1, column 38)',
  ],
  [
    '{"value":{"a":[{"numeric":[">=",5,"<=",5]}]}}',
    'the bounds are the same: for one number write ["=", 5] (at /value/a/0/numeric/3, line 1, column 40)',
  ],
  [
    '{"value":{"a":[{"numeric":["=",1e309]}]}}',
    'this number is beyond what a double holds, about 1.8e308 (at /value/a/0/numeric/1, line 1, column 32)',
  ],
  [
    '{"value":{"a":[1e-400]}}',
    'this number is too small for a double, which would make it 0 (at /value/a/0, line 1, column 16)',
  ],
  [
    '{"value":{"a":[9007199254740993]}}',
    'numbers are compared as doubles, which would make this one 9007199254740992; what needs every digit is text (at /value/a/0, line 1, column 16)',
  ],
  [
    '{"value":{"a":[{"anything-but":[]}]}}',
    'the list of anything-but is empty: give at least one entry (at /value/a/0/anything-but, line 1, column 32)',
  ],
  [
    '{"value":{"a":[{"anything-but":true}]}}',
    'anything-but takes texts or numbers, or an object with one of prefix, suffix, equals-ignore-case, wildcard, not true (at /value/a/0/anything-but, line 1, column 32)',
  ],
  [
    '{"value":{"a":[{"anything-but":null}]}}',
    'anything-but takes texts or numbers, or an object with one of prefix, suffix, equals-ignore-case, wildcard, not null (at /value/a/0/anything-but, line 1, column 32)',
  ],
  [
    '{"value":{"a":[{"anything-but":["x",5]}]}}',
    'the list of anything-but has texts and numbers: it takes either, not both (at /value/a/0/anything-but/1, line 1, column 37)',
  ],
  [
    '{"value":{"a":[{"anything-but":["x",null]}]}}',
    'anything-but takes texts or numbers, or an object with one of prefix, suffix, equals-ignore-case, wildcard, not null (at /value/a/0/anything-but/1, line 1, column 37)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"numeric":["=",5]}}]}}',
    'there is no operator inside anything-but called "numeric"; there are prefix, suffix, equals-ignore-case, wildcard (at /value/a/0/anything-but/numeric, line 1, column 33)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"sufix":"x"}}]}}',
    'there is no operator inside anything-but called "sufix"; did you mean "suffix"? (at /value/a/0/anything-but/sufix, line 1, column 33)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"prefix":""}}]}}',
    'every text has an empty prefix, so nothing would be left: give at least one character (at /value/a/0/anything-but/prefix, line 1, column 42)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"suffix":["x",""]}}]}}',
    'every text has an empty suffix, so nothing would be left: give at least one character (at /value/a/0/anything-but/suffix/1, line 1, column 47)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"prefix":[]}}]}}',
    'the list of prefix is empty: give at least one entry (at /value/a/0/anything-but/prefix, line 1, column 42)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"prefix":"x","suffix":"y"}}]}}',
    'inside anything-but stands one operator, but this one has "prefix" and "suffix": give each an object of its own (at /value/a/0/anything-but/suffix, line 1, column 46)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"prefix":"x"},"y":1}]}}',
    'an object in a list is a rule and holds one operator, but this one has "anything-but" and "y": give each an object of its own (at /value/a/0/y, line 1, column 47)',
  ],
  [
    '{"value":{"a":[{"anything-but":{"wildcard":"a**"}}]}}',
    'two asterisks follow each other in "a**": one takes any text already (at /value/a/0/anything-but/wildcard, line 1, column 44)',
  ],
  [
    '{"value":{"a":[{"anything-but":[["x"]]}]}}',
    'anything-but takes texts or numbers, or an object with one of prefix, suffix, equals-ignore-case, wildcard, not a list (at /value/a/0/anything-but/0, line 1, column 33)',
  ],
  [
    '{"value":{"a":[{"anything-but":{}}]}}',
    'inside anything-but stands one operator: prefix, suffix, equals-ignore-case, wildcard (at /value/a/0/anything-but, line 1, column 32)',
  ],
  [
    '{"value":{"$or":{"a":["x"]}}}',
    '$or takes a list of objects, not an object (at /value/$or, line 1, column 17)',
  ],
  ['{"value":{"$or":[]}}', '$or needs at least two objects, and has none (at /value/$or, line 1, column 17)'],
  [
    '{"value":{"$or":[{"a":["x"]}]}}',
    '$or needs at least two objects, and has one (at /value/$or, line 1, column 17)',
  ],
  [
    '{"value":{"$or":[{"a":["x"]},["y"]]}}',
    '$or takes a list of objects, in which a list is none (at /value/$or/1, line 1, column 30)',
  ],
  [
    '{"value":{"$or":[{"a":["x"]},{}]}}',
    'an object without fields asks nothing: name a field, or leave the object out (at /value/$or/1, line 1, column 30)',
  ],
  [
    '{"value":{"temp":{"$or":[{"numeric":[">",5]},{"exists":[false]}]}}}',
    '$or lies between fields, and "numeric" is an operator: alternatives for one field are a list, as in {"temp": [{"numeric": [">", 90]}, {"exists": false}]} (at /value/temp/$or/0/numeric, line 1, column 27)',
  ],
  ['{"$or":[{"key":["x"]}]}', '$or needs at least two objects, and has one (at /$or, line 1, column 8)'],
  [
    '{"$or":[{"key":["x"]},{"kex":["y"]}]}',
    'a pattern has value, key, headers, timestamp and $or, but no "kex"; did you mean "key"? (at /$or/1/kex, line 1, column 24)',
  ],
  [
    '{"headers":["x"]}',
    'headers takes an object, {"headers": {"name": ["text"]}}, not a list (at /headers, line 1, column 12)',
  ],
  [
    '{"headers":{}}',
    'an object without headers asks nothing: name a header (at /headers, line 1, column 12)',
  ],
  [
    '{"headers":{"h":"x"}}',
    'the header "h" is text, so it takes a list of values and rules, not the text "x" (at /headers/h, line 1, column 17)',
  ],
  [
    '{"headers":{"h":{"a":["x"]}}}',
    'the header "h" is text, so it takes a list of values and rules, not an object (at /headers/h, line 1, column 17)',
  ],
  [
    '{"headers":{"h":[5]}}',
    'a header is text, so nothing there is the number 5: write "5" (at /headers/h/0, line 1, column 18)',
  ],
  [
    '{"headers":{"h":[true]}}',
    'a header is text, so nothing there is true: write "true" (at /headers/h/0, line 1, column 18)',
  ],
  [
    '{"headers":{"h":[{"numeric":["=",5]}]}}',
    'a header is text, of which numeric takes nothing (at /headers/h/0, line 1, column 18)',
  ],
  [
    '{"headers":{"h":[{"anything-but":5}]}}',
    'a header is text, so nothing there is the number 5: write "5" (at /headers/h/0/anything-but, line 1, column 34)',
  ],
  [
    '{"headers":{"$or":[{"h":["x"]}]}}',
    '$or needs at least two objects, and has one (at /headers/$or, line 1, column 19)',
  ],
  [
    '{"value":[5]}',
    'the value as a whole is text, so nothing there is the number 5: for what stands in its JSON give an object, {"value": {"field": [ … ]}} (at /value/0, line 1, column 11)',
  ],
  [
    '{"key":[true]}',
    'the key as a whole is text, so nothing there is true: for what stands in its JSON give an object, {"key": {"field": [ … ]}} (at /key/0, line 1, column 9)',
  ],
  [
    '{"value":[{"numeric":[">",5]}]}',
    'the value as a whole is text, of which numeric takes nothing: for what stands in its JSON give an object, {"value": {"field": [ … ]}} (at /value/0, line 1, column 11)',
  ],
  [
    '{"timestamp":5}',
    'timestamp takes a list, as in {"timestamp": [{"numeric": [">=", 1767225600000]}]}, not the number 5 (at /timestamp, line 1, column 14)',
  ],
  [
    '{"timestamp":["2026"]}',
    'the timestamp is a number, so nothing there is the text "2026": compare it with {"numeric": [">=", 1767225600000]} (at /timestamp/0, line 1, column 15)',
  ],
  [
    '{"timestamp":[{"prefix":"2026"}]}',
    'the timestamp is a number, of which prefix takes nothing (at /timestamp/0, line 1, column 15)',
  ],
  [
    '{"timestamp":[null]}',
    'the timestamp is a number, so nothing there is null: compare it with {"numeric": [">=", 1767225600000]} (at /timestamp/0, line 1, column 15)',
  ],
  [
    '{"timestamp":[true]}',
    'the timestamp is a number, so nothing there is true: compare it with {"numeric": [">=", 1767225600000]} (at /timestamp/0, line 1, column 15)',
  ],
  ['{"timestamp":[{"exists":true}]}', 'the timestamp is always there (at /timestamp/0, line 1, column 15)'],
  [
    '{"timestamp":[{"anything-but":{"prefix":"x"}}]}',
    'the timestamp is a number, of which prefix takes nothing (at /timestamp/0/anything-but, line 1, column 31)',
  ],
  [
    '{"timestamp":[{"anything-but":"x"}]}',
    'the timestamp is a number, so nothing there is the text "x": compare it with {"numeric": [">=", 1767225600000]} (at /timestamp/0/anything-but, line 1, column 31)',
  ],
  [
    '{"timestamp":{"a":["x"]}}',
    'timestamp takes a list, as in {"timestamp": [{"numeric": [">=", 1767225600000]}]}, not an object (at /timestamp, line 1, column 14)',
  ],
  [
    '{"key":["a"],"$or":[{"key":["b"]},{"value":["c"]}]}',
    'the key is asked inside the $or and beside it, once at least as a list: ask it in the objects of the $or only (at /$or/0/key, line 1, column 28)',
  ],
  [
    '{"headers":{"h":["a"],"$or":[{"h":["b"]},{"i":["c"]}]}}',
    'the header "h" is asked inside the $or and beside it, once at least as a list: ask it in the objects of the $or only (at /headers/$or/0/h, line 1, column 35)',
  ],
  [
    '{"value":["x"],"$or":[{"value":{"a":["y"]}},{"key":["c"]}]}',
    'the value is asked inside the $or and beside it, once at least as a list: ask it in the objects of the $or only (at /$or/0/value, line 1, column 32)',
  ],
  [
    '{"timestamp":[1],"$or":[{"timestamp":[2]},{"key":["c"]}]}',
    'the timestamp is asked inside the $or and beside it, once at least as a list: ask it in the objects of the $or only (at /$or/0/timestamp, line 1, column 38)',
  ],
  [
    '{\n  "value": {\n    "temp": [\n      {"numeric": [">", 30, "<", 20]}\n    ]\n  }\n}',
    'the upper bound 20 must be above the lower one, 30 (at /value/temp/0/numeric/3, line 4, column 34)',
  ],
  [
    '{"value":{"é😀":[{"prefx":"x"}]}}',
    'there is no operator "prefx"; did you mean "prefix"? (at /value/é😀/0/prefx, line 1, column 18)',
  ],
  [
    '{"value":{"a/b~c":[{"prefx":"x"}]}}',
    'there is no operator "prefx"; did you mean "prefix"? (at /value/a~1b~0c/0/prefx, line 1, column 21)',
  ],
  [
    '{"value":{"a":{"numeric":[">",5]}}}',
    '"numeric" stands here as the name of a field; as a rule it stands in a list, as in {"temp": [{"numeric": [">", 90]}]} (at /value/a/numeric, line 1, column 26)',
  ],
  [
    '{"value":{"a":{"exists":false}}}',
    '"exists" stands here as the name of a field; as a rule it stands in a list, as in {"temp": [{"numeric": [">", 90]}]} (at /value/a/exists, line 1, column 25)',
  ],
  [
    '{"value":{"a":{"prefix":"x"}}}',
    '"prefix" stands here as the name of a field; as a rule it stands in a list, as in {"temp": [{"numeric": [">", 90]}]} (at /value/a/prefix, line 1, column 25)',
  ],
]

t.test('each mistake is named where it stands', async (t) => {
  for (const [text, message] of mistakes) t.equal(refused(text)?.message, message, text)
})

t.test('an error knows its place as pointer, offset, line and column', async (t) => {
  const text = '{\r\n\t"value": {"😀": [{"prefx": "x"}]}\n}'
  const error = refused(text)!
  t.equal(error.name, 'PatternError')
  t.equal(error.pointer, '/value/😀/0/prefx')
  t.equal(error.sentence, 'there is no operator "prefx"; did you mean "prefix"?')
  t.equal(text.slice(error.offset, error.offset + 7), '"prefx"')
  t.equal(error.line, 2)
  t.equal(error.column, 19, 'a character beyond the basic plane is one')
})

const document = (field: unknown) => JSON.stringify({ value: { a: field } })

t.test('the limits: just inside, and just outside', async (t) => {
  const { textBytesMax, depthMax, rulesMax, alternativesMax } = patternLimits

  const frame = document(['']).length
  const longest = document(['é'.repeat((textBytesMax - frame) / 2)])
  t.equal(Buffer.byteLength(longest), textBytesMax - ((textBytesMax - frame) % 2))
  t.equal(refused(longest), undefined)
  t.equal(
    refused(document(['é'.repeat(textBytesMax / 2)]))?.message,
    'the pattern is longer than 65,536 bytes, the limit (line 1, column 1)',
  )

  const nested = (depth: number) => `${'{"value":'.repeat(depth - 1)}["x"]${'}'.repeat(depth - 1)}`
  t.equal(refused(nested(depthMax)), undefined)
  const tooDeep = refused(nested(depthMax + 1))!
  t.equal(tooDeep.sentence, 'objects and lists are nested deeper than 64, the limit')
  t.match(
    tooDeep.message,
    /\(at ….{199}, line 1, column \d+\)$/,
    'a long pointer is shortened in the message',
  )
  t.equal(refused('['.repeat(textBytesMax))?.sentence, tooDeep.sentence, 'however deep it goes')

  const many = (count: number) => document(Array.from({ length: count }, (_, index) => `${index}`))
  t.equal(refused(many(rulesMax)), undefined)
  t.equal(
    refused(many(rulesMax + 1))?.message,
    'the pattern has more than 4,096 rules, the limit (at /value/a/4096, line 1, column 27578)',
  )
  t.equal(
    refused(document([{ 'anything-but': Array.from({ length: rulesMax - 1 }, (_, index) => index) }])),
    undefined,
  )
  t.equal(
    refused(document([{ 'anything-but': Array.from({ length: rulesMax }, (_, index) => index) }]))?.pointer,
    `/value/a/0/anything-but/${rulesMax - 1}`,
  )

  const or = (count: number) => ({ $or: Array.from({ length: count }, (_, index) => ({ x: [index] })) })
  t.equal(refused(document({ b: or(alternativesMax / 20), c: or(20) })), undefined)
  t.equal(
    refused(document({ b: or(alternativesMax / 20), c: or(20), d: or(2) }))?.message,
    'the $or in here multiply to 2,000 alternatives; the limit is 1,000 (at /value/a, line 1, column 15)',
  )
  t.equal(refused(document(or(alternativesMax + 1)))?.pointer, '/value/a/$or')
  t.equal(
    refused(JSON.stringify({ value: or(40), key: or(40) }))?.message,
    'the $or in here multiply to 1,600 alternatives; the limit is 1,000 (line 1, column 1)',
  )
  const bomb = { $or: Array.from({ length: 30 }, (_, index) => ({ a: [index] })) }
  t.equal(
    refused(JSON.stringify({ value: { a: bomb, b: bomb, c: bomb, d: bomb, e: bomb, f: bomb } }))?.sentence,
    'the $or in here multiply to 27,000 alternatives; the limit is 1,000',
    'refused as soon as it is too much',
  )
})

t.test('what little text can grow into', async (t) => {
  const { writtenRulesMax, alternativesMax } = patternLimits
  const branches = (count: number) => Array.from({ length: count }, (_, index) => ({ x: [`${index}`] }))
  const list = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, ['y']]))
  const sentence = (filter: unknown) => refused(JSON.stringify(filter))?.sentence
  const tooMany = (rules: string) =>
    `the $or in here make ${rules} rules when they are written out; the limit is 32,768`

  const beside = writtenRulesMax / 128 - 1
  t.equal(sentence({ value: { $or: branches(128), a: list(beside) } }), undefined)
  t.equal(sentence({ value: { $or: branches(128), a: list(beside + 1) } }), tooMany('32,896'))
  t.equal(sentence({ value: { $or: branches(128), ...fields(beside) } }), undefined)
  t.equal(sentence({ value: { $or: branches(128), ...fields(beside + 1) } }), tooMany('32,896'))
  t.equal(sentence({ headers: { ...fields(beside), $or: branches(128) } }), undefined)
  t.equal(sentence({ headers: { $or: branches(alternativesMax), ...fields(2500) } }), tooMany('2,501,000'))
  const values = branches(alternativesMax).map((value) => ({ value }))
  t.equal(sentence({ $or: values, value: { a: list(3000) } }), tooMany('3,001,000'))
  t.equal(sentence({ $or: values, value: fields(1500) }), tooMany('1,501,000'))
  t.equal(sentence({ $or: values, key: ['k'], headers: fields(30) }), undefined)
  t.equal(
    sentence({ value: { a: { $or: branches(31), b: list(30) }, c: { $or: branches(31), d: list(30) } } }),
    tooMany('59,582'),
  )
})

t.test('however long what is wrong is, the message is not', async (t) => {
  const long = 'p'.repeat(60_000)
  const digits = '9'.repeat(300)
  const nested = Array.from({ length: 60 }, () => `{"${'k'.repeat(1000)}":`).join('')
  for (const text of [
    JSON.stringify({ value: { a: [{ [long]: 1 }] } }),
    JSON.stringify({ [long]: 1 }),
    JSON.stringify({ headers: { [long]: 5 } }),
    JSON.stringify({ value: { a: [{ wildcard: `**${long}` }] } }),
    JSON.stringify({ value: { a: [{ cidr: long }] } }),
    JSON.stringify({ value: { a: [{ numeric: [long, 5] }] } }),
    `{"value":{"a":[${long}]}}`,
    `{"value":{"a":[${'1'.repeat(60_000)}x]}}`,
    `{"value":{"a":[${digits}]}}`,
    `{"value":{"${long}":[1] "b":[2]}}`,
    `{"value":{"${long}" 5}}`,
    `{"value":{"${long.slice(0, 30_000)}":[1],"${long.slice(0, 30_000)}":[1]}}`,
    `{"value":${nested}5${'}'.repeat(61)}`,
  ]) {
    const message = refused(text)?.message
    t.ok(message !== undefined && message.length < 500, message ?? text)
  }
})

t.test('of a filter cut off anywhere it is said that something is missing', async (t) => {
  const text = JSON.stringify({
    value: {
      a: ['é😀\n\\', 1.5e3, null, true, { 'anything-but': { prefix: ['x'] } }],
      $or: [{ b: [{ numeric: ['>', 1, '<', 2] }] }, { c: ['x'] }],
    },
    headers: { h: ['x'] },
  })
  t.equal(refused(text), undefined)
  for (let length = 0; length < text.length; length++) {
    const error = refused(text.slice(0, length))
    if (error === undefined || error.offset > length || error.line !== 1) t.fail(text.slice(0, length))
  }
})

t.test('any text is a filter or refused at a place in it', async (t) => {
  const random = seededRandom(t)
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"value"',
    '"$or"',
    '"a"',
    '"prefix"',
    '"anything-but"',
    '"numeric"',
  ]
  pieces.push(
    '">"',
    '"<"',
    '5',
    '-0',
    '1e9',
    'true',
    'null',
    ' ',
    '\n',
    '\\',
    '\\u',
    '😀',
    '\ud83d',
    '\u0000',
    '{"a":["x"]}',
    '["x"]',
  )
  for (let round = 0; round < (process.env.OCTOPUS_SOAK ? 1_000_000 : 20_000); round++) {
    const text = Array.from({ length: random.below(12) }, () => random.pick(pieces)).join('')
    const error = refused(text)
    if (error !== undefined && !(error.offset >= 0 && error.offset <= text.length))
      t.fail(JSON.stringify(text))
  }
})
