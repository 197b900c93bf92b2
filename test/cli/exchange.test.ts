/** pageframe exchange: what it finds, shows and leaves. */

import { describe, expect, test } from 'vitest'
import type { Kind } from '../../workers/exchange/tally.ts'
import { naiveResult } from './naive.ts'
import { fieldsSample, wordnetSample } from './samples.ts'
import { write, exchange, pageframe, start, withoutZeroes, type Found } from './command.ts'

/** What travels with every block. */
const ENVELOPE_BYTES = 16

describe('pageframe exchange finds what is there', () => {
  const noNewline = fieldsSample(300).replace(/\n+$/, '')
  const samples: [string, Kind, string, string][] = [
    ['in lines like those of WordNet', 'wordnet', wordnetSample(800), '4KiB'],
    ['in lines of fields', 'lines', fieldsSample(2000), '4KiB'],
    ['in lines longer than a block', 'lines', `${fieldsSample(20)}${'12 '.repeat(500)}\n-5\n`, '100'],
    ['when the last line has no line feed', 'lines', noNewline, '1KiB'],
    ['when lines end with CR LF', 'lines', fieldsSample(300).replaceAll('\n', '\r\n'), '1KiB'],
    ['in a single byte', 'lines', '7', '64KiB'],
  ]

  test.each(samples)('%s, in every transport', async (_, kind, text, block) => {
    const bytes = Buffer.from(text, 'latin1')
    const file = write('sample', bytes)

    const { code, stderr, report } = await exchange(
      file,
      '--block',
      block,
      '--rounds',
      '1',
      '--consumers',
      '2',
    )

    const blockBytes = block.endsWith('KiB') ? 1024 * Number.parseInt(block) : Number(block)
    const expected = naiveResult(bytes, kind, blockBytes)
    expect(code, stderr).toBe(0)
    expect(report?.input).toEqual({ files: [file], bytes: bytes.length, kind })
    expect(withoutZeroes(report?.result)).toEqual(
      withoutZeroes({ ...expected, sum: String(expected.sum) } as unknown as Found),
    )
    expect(report?.transports.map(({ name }) => name)).toEqual([
      'pageframe',
      'process',
      'clone',
      'transfer',
      'comlink',
    ])
  })
})

test('--json has the figures of every round and their medians, and pageframe copies nothing', async () => {
  const file = write('sample', fieldsSample(3000))

  const { code, stdout, report } = await exchange(file, '--rounds', '3', '--block', '1KiB')

  expect(code).toBe(0)
  expect(stdout).toContain('bytes copied')
  expect(report).toMatchObject({
    rounds: 3,
    blockBytes: 1024,
    isCorrect: true,
    mismatches: [],
    notInstalled: [],
  })
  for (const { name, median, rounds } of report?.transports ?? []) {
    expect(rounds).toHaveLength(3)
    expect(Object.keys(median).sort()).toEqual([
      'copiedBytes',
      'cpuMs',
      'megabytesPerSecond',
      'messagesPerSecond',
      'p50Ms',
      'p99Ms',
      'recordsPerSecond',
    ])
    for (const round of [median, ...rounds]) {
      expect(round.p99Ms).toBeGreaterThanOrEqual(round.p50Ms)
      if (name === 'clone') expect(round.copiedBytes).toBeGreaterThan(0)
      else expect(round.copiedBytes).toBe(0)
    }
  }
})

test.each([
  ['one small message, which is cut out of its buffer first', '7\n', 3 * (ENVELOPE_BYTES + 2)],
  ['one that all but fills its buffer', '7\n'.repeat(49), 2 * (ENVELOPE_BYTES + 100)],
])('clone copies %s', async (_, lines, copiedBytes) => {
  const file = write('sample', lines)

  const { report } = await exchange(file, '--rounds', '1', '--block', '100', '--only', 'clone')

  expect(report).toMatchObject({ isCorrect: true })
  expect(report?.transports.map(({ median }) => median.copiedBytes)).toEqual([copiedBytes])
})

test('processes see one segment at addresses of their own, in the same frames, and say what that took', async () => {
  const file = write('sample', fieldsSample(3000))

  const { code, stdout, report } = await exchange(
    file,
    '--rounds',
    '2',
    '--consumers',
    '2',
    '--only',
    'process',
  )

  const processes = report?.processes ?? []
  expect(code).toBe(0)
  expect(processes.map(({ name }) => name)).toEqual(['this one', 'producer', 'consumer 1', 'consumer 2'])
  expect(new Set(processes.map(({ pid }) => pid)).size).toBe(4)
  expect(new Set(processes.map(({ address }) => address)).size).toBe(4)
  expect(new Set(processes.map(({ frame }) => frame)).size).toBe(1)
  for (const { pid, name, address, frame, minorFaults, majorFaults, maps } of processes) {
    const start = address.toString(16)
    expect(minorFaults).toBeGreaterThan(0)
    expect(majorFaults).toBe(0)
    expect(maps).toMatch(
      new RegExp(`^${start}-[0-9a-f]+ r[w-]-s 00000000 [0-9a-f:]+ \\d+ +/dev/shm/exchange\\n$`),
    )
    expect(stdout).toMatch(new RegExp(`${pid}, ${name} +│ +${minorFaults} │ +0 │ +0x${start} │ +${frame} `))
    expect(stdout).toContain(`Memory map of process ${pid}, ${name}:\n  ${start}-`)
  }
  expect(stdout).toContain('bytes copied 0.')
})

test('--only plays one transport alone', async () => {
  const { code, report } = await exchange(write('sample', '1 2 3\n'), '--rounds', '1', '--only', 'pageframe')

  expect(code).toBe(0)
  expect(report?.transports.map(({ name }) => name)).toEqual(['pageframe'])
})

test('alone, pageframe says which commands there are', async () => {
  const { code, stdout } = await pageframe()

  expect(code).toBe(0)
  expect(stdout).toMatch(/COMMANDS\s+exchange/)
})

test('--help of a command says its options', async () => {
  const { code, stdout } = await pageframe('exchange', '--help')

  expect(code).toBe(0)
  for (const option of ['FILE', '--consumers', '--block', '--rounds', '--json', '--only'])
    expect(stdout).toContain(option)
})

test.each([[], ['--only', 'process']])(
  'Ctrl-C ends all workers and then the process, with exit code 130, and leaves no process behind (%s %s)',
  async (...only) => {
    const file = write('sample', fieldsSample(5000))
    const running = start(['exchange', file, '--rounds', '1000', ...only], { detached: true }) // a process group of its own
    await running.progress
    const group = -(running.child.pid ?? NaN)

    process.kill(group, 'SIGINT') // to all of them, as a terminal does
    const { code, signal, stderr } = await running.end

    // By itself: a process that its signal ended has no code.
    expect({ code, signal }).toEqual({ code: 130, signal: null })
    expect(stderr).toContain('pageframe exchange: interrupted')
    expect(() => process.kill(group, 0)).toThrow('ESRCH')
  },
)
