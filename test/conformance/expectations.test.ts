/** Every kind of expectation holds for the outcome it was made for, and is caught when it is falsified. */

import { expect, test } from 'vitest'
import { EXPECTATIONS, mismatch } from './expectations.mjs'

const names = new Map([['m', 0x7000n]])
const done = { ret: 0n, ms: 3 }
const area = [0x7000, 2, 'rw-p', 5]

/** Expectation, outcome, and expectations that are false for it. */
const cases: [expected: object, outcome: object, ...falsified: object[]][] = [
  [{}, done],
  [{ ret: 'm' }, { ret: 0x7000n }, { ret: 'm+1' }, { errno: 'EINVAL' }, { signal: 'SIGSEGV' }],
  [{ ne: 0 }, { ret: 1n }, { ne: 1 }],
  [{ ge: 3, le: 3 }, { ret: 3n }, { ge: 4 }, { le: 2 }],
  [{ aligned: 'PAGE' }, { ret: 0x7000n }, { aligned: 'PAGE*2' }],
  [{ ret: '0xffffffffffffffff' }, { ret: (1n << 64n) - 1n }, { ret: '0xfffffffffffffffe' }],
  [{ value: 7 }, { ret: 0n, value: 7n }, { value: 8 }, { ret: 7 }],
  [{ bytes: { hex: '0a0b' } }, { ret: 2n, bytes: '0a0b' }, { bytes: 'ab' }, { bytes: { hex: '0a' } }],
  [{ vec: '101' }, { ret: 0n, vec: '101' }, { vec: '111' }],
  [
    { digest: ['aa', 'SIGBUS_2'] },
    { ret: 0n, digest: ['aa', 'SIGBUS_2'] },
    { digest: ['aa'] },
    { digest: ['aa', 'bb'] },
  ],
  [{ errno: 'EINVAL' }, { errno: 'EINVAL' }, {}, { errno: 'ENOMEM' }, { ret: 0 }, { signal: 'SIGSEGV' }],
  [{ errno: ['EAGAIN', 'ENOMEM'] }, { errno: 'EWOULDBLOCK' }, { errno: ['EINVAL'] }, { errno: [] }],
  [{ errno: 'EOPNOTSUPP' }, { errno: 'ENOTSUP' }],
  [
    { signal: 'SIGSEGV', code: 'MAPERR', at: 'm+100' },
    { signal: 'SIGSEGV', code: 'MAPERR', addr: 0x7fffn },
    { signal: 'SIGBUS' },
    { signal: 'SIGSEGV', code: 'ACCERR' },
    { signal: 'SIGSEGV', at: 'm+1p' },
    { errno: 'EFAULT' },
    {},
  ],
  [
    { vmas: [['m', 2, 'rw-p', 5]] },
    { ret: 0n, vmas: [area] },
    { vmas: [['m', 2, 'rw-p', 4]] },
    { vmas: [['m', 2, 'r--p']] },
    { vmas: [['m', 1, 'rw-p']] },
    { vmas: [['m+1p', 2, 'rw-p']] },
    { vmas: [] },
    { vmas: [['m', 2, 'rw-p'], ['m+2p', 1, 'rw-p']] }, // prettier-ignore
  ],
  [{ vmas: [['m', 2, 'rw-p']] }, { ret: 0n, vmas: [area] }],
  [{ vmas: [] }, { ret: 0n, vmas: [] }, { vmas: [['m', 2, 'rw-p']] }],
  [
    { out: { rss: 4, pss: 1.5 } },
    { ret: 0n, out: { rss: 4, pss: 1.5, shared: 0 } },
    { out: { rss: 3 } },
    { out: { pss: 1 } },
    { out: { swap: 0 } },
  ],
  [{ out: { values: [1, 'm'] } }, { ret: 0n, out: { values: [1, 0x7000] } }, { out: { values: [1] } }],
  [{ exited: 7 }, { ret: 1n, exited: 7 }, { exited: 8 }, { signaled: 'SIGKILL' }],
  [{ signaled: 'SIGKILL' }, { ret: 1n, signaled: 'SIGKILL' }, { exited: 0 }, { signaled: 'SIGTERM' }],
  [{ rets: [1, 0, 0] }, { ret: 0n, rets: [0n, 0n, 1n], errnos: [] }, { rets: [0, 0] }, { rets: [0, 1, 1] }],
  [
    { errnos: ['EAGAIN'] },
    { ret: 0n, rets: [-1n], errnos: ['EAGAIN'] },
    { errnos: [] },
    { errnos: ['EINVAL'] },
  ],
  [{ elapsed_ms: [2, 4] }, done, { elapsed_ms: [4, 9] }, { elapsed_ms: [0, 2] }],
]

test.each(cases)('%o', (expected, outcome, ...falsified) => {
  expect(mismatch(expected, outcome, names)).toBeUndefined()
  for (const wrong of falsified)
    expect(mismatch(wrong, outcome, names), JSON.stringify(wrong)).toBeTypeOf('string')
})

test('every kind of expectation is among these', () => {
  const seen = new Set(cases.flatMap(([expected]) => Object.keys(expected)))

  expect([...EXPECTATIONS].filter((key) => !seen.has(key))).toEqual([])
})

test('what broke, and a process that ended, fit no expectation', () => {
  for (const expected of [{}, { ret: 0 }, { errno: 'EINVAL' }, { signal: 'SIGSEGV' }]) {
    expect(mismatch(expected, { broke: 'TypeError: x' }, names)).toMatch(/TypeError: x/)
    expect(mismatch(expected, { gone: 'SIGKILL' }, names)).toMatch(/SIGKILL/)
  }
})

test('a complaint says what came and what was expected', () => {
  const complaint = mismatch({ ret: 'm' }, { ret: 0x7000000n }, names)

  expect(complaint).toContain('0x7000000')
  expect(complaint).toContain('{"ret":"m"}')
})
