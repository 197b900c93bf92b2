/** The driver as people start it: exit codes, the last line, choices, and that a false expectation is caught for real. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const RUN = fileURLToPath(new URL('run.mjs', import.meta.url))
const LIMIT_MS = 60_000

const directory = mkdtempSync(join(tmpdir(), 'pageframe-conformance-'))
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly lastLine: string | undefined
}

let files = 0

/** Writes the lines to a file, and runs the driver on it. */
async function conformance(lines: readonly (object | string)[], ...options: string[]): Promise<Ended> {
  const file = join(directory, `${files++}.jsonl`)
  writeFileSync(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  )
  return driver(file, ...options)
}

async function driver(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [RUN, ...args], { timeout: LIMIT_MS })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, out, err, lastLine: out.trimEnd().split('\n').at(-1) }
}

const map = { p: 'A', call: 'mmap', args: { addr: 'W', len: '2p', prot: 'PROT_READ|PROT_WRITE', flags: 'MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED' }, expect: { ret: 'W' } } // prettier-ignore
const store = { p: 'A', call: 'store', args: { addr: 'W+1p', value: 7 } }
const load = { p: 'A', call: 'load', args: { addr: 'W+1p' }, expect: { value: 7 } }
const passing = { id: 'right', group: 'one', steps: [map, store, load] }
const failing = { id: 'wrong', group: 'two', tier: 2, steps: [map, { ...load, expect: { value: 8 } }] }
const skipped = { id: 'later', group: 'two', needs: ['fork'], steps: [map] }

test(
  'all is well: both layouts, exit code 0, the totals in the last line',
  { timeout: LIMIT_MS },
  async () => {
    const { code, lastLine, out } = await conformance([passing, skipped])

    expect(lastLine).toBe('2 passed, 0 failed, 2 skipped')
    expect(out).toMatch(/one +2 +0 +0\n/)
    expect(out).toMatch(/2 {2}fork is not there yet/)
    expect(code).toBe(0)
  },
)

test('a failure: exit code 1, the step, what came and what was expected', { timeout: LIMIT_MS }, async () => {
  const { code, lastLine, out } = await conformance([failing, passing], '--layout', 'lp64')

  expect(lastLine).toBe('1 passed, 1 failed, 0 skipped')
  expect(out).toContain(
    'FAILED   wrong (lp64): step 2, A.load {"addr":"W+1p"}: 0 is not 8; got ret 0, value 0',
  )
  expect(out).toContain('expected {"value":8}')
  expect(code).toBe(1)
})

test('--only, --group and --tier choose', { timeout: LIMIT_MS }, async () => {
  const all = [passing, failing, skipped]

  expect((await conformance(all, '--only', 'right', '--layout', 'ilp32')).lastLine).toBe(
    '1 passed, 0 failed, 0 skipped',
  )
  expect((await conformance(all, '--group', 'one', '--layout', 'lp64')).lastLine).toBe(
    '1 passed, 0 failed, 0 skipped',
  )
  expect((await conformance(all, '--tier', '2', '--layout', 'lp64')).code).toBe(1)
  expect((await conformance(all, '--only', 'none')).code).toBe(2)
})

test.each([
  ['no file', [], /which file/],
  ['a file that is not there', ['/nowhere.jsonl'], /cannot be read/],
  ['an unknown layout', [RUN, '--layout', 'lp128'], /lp64 and ilp32/],
  ['an unknown option', [RUN, '--loud'], /--loud/],
])('%s: exit code 2, one line', { timeout: LIMIT_MS }, async (_what, args, message) => {
  const { code, err } = await driver(...args)

  expect(err).toMatch(message)
  expect(err.trimEnd().split('\n')).toHaveLength(1)
  expect(code).toBe(2)
})

test('a malformed line: exit code 2, with its number, and nothing runs', { timeout: LIMIT_MS }, async () => {
  const { code, err, out } = await conformance([passing, '{"id": "x"'])

  expect(err).toMatch(/\.jsonl:2: /)
  expect(out).toBe('')
  expect(code).toBe(2)
})

test('a scenario that takes too long fails alone', { timeout: LIMIT_MS }, async () => {
  const sleep = { p: 'A', call: 'sleep', args: { ms: 4_000 } }
  const endless = { id: 'endless', steps: Array.from({ length: 20 }, () => sleep) }
  const options = ['--layout', 'lp64', '--limit', '12', '--jobs', '1']
  const { lastLine, out } = await conformance([endless, passing], ...options)

  expect(out).toMatch(/endless \(lp64\): step \d+, A\.sleep: it did not end in 12 s/)
  expect(lastLine).toBe('1 passed, 1 failed, 0 skipped')
})
