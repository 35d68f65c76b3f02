/** The text of addresses, and what is none. */
import t from 'tap'
import { parseIpAddress } from '../../../broker/filters/ip-address.ts'

/** The bytes as hexadecimal digits; undefined: it is no address. */
function bytesOf(text: string): string | undefined {
  // Not zeroed: what is there before must not show through.
  const into = new Uint8Array(20).fill(0xee)
  const length = parseIpAddress(text, into)
  t.same([...into.subarray(16)], [0xee, 0xee, 0xee, 0xee], 'nothing is written behind')
  return length === 0 ? undefined : Buffer.from(into.subarray(0, length)).toString('hex')
}

t.test('IPv4', async (t) => {
  t.equal(bytesOf('0.0.0.0'), '00000000')
  t.equal(bytesOf('255.255.255.255'), 'ffffffff')
  t.equal(bytesOf('54.240.196.171'), '36f0c4ab')
  const bad = [
    '',
    '1',
    '1.2.3',
    '1.2.3.',
    '.1.2.3',
    '1.2.3.4.5',
    '1.2.3.4.',
    '1..3.4',
    '256.0.0.1',
    '1.2.3.1000',
  ]
  for (const text of [
    ...bad,
    '01.2.3.4',
    '1.2.3.00',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1.2.3.4/8',
    'a.b.c.d',
    '1.2.3.٤',
  ])
    t.equal(bytesOf(text), undefined, text)
})

t.test('IPv6', async (t) => {
  const good: Record<string, string> = {
    '::': '0'.repeat(32),
    '::1': '1'.padStart(32, '0'),
    '1::': '0001'.padEnd(32, '0'),
    '0011:2233:4455:6677:8899:aabb:ccdd:eeff': '00112233445566778899aabbccddeeff',
    '2001:db8::ff00:42:8329': '20010db8000000000000ff0000428329',
    '2400:6500:FF00::36FB:1F80': '24006500ff0000000000000036fb1f80',
    '1:2:3:4:5:6:7::': '00010002000300040005000600070000',
    '::2:3:4:5:6:7:8': '00000002000300040005000600070008',
    '::ffff:10.1.2.3': '00000000000000000000ffff0a010203',
    '1:2:3:4:5:6:10.1.2.3': '0001000200030004000500060a010203',
    '64:ff9b::10.1.2.3': '0064ff9b00000000000000000a010203',
  }
  for (const [text, bytes] of Object.entries(good)) t.equal(bytesOf(text), bytes, text)
  const bad = [
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1::2::3',
  ]
  for (const text of [
    ...bad,
    '1:',
    ':1',
    '12345::',
    'g::',
    '::1%eth0',
    '::1.2.3',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '[::1]',
    '::1/64',
  ])
    t.equal(bytesOf(text), undefined, text)
})
