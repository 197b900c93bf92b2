/** The command as people run it: the built package in a process of its own, with files in a folder that goes afterwards. */

import { spawn, type SpawnOptions } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface Found {
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

/** Of the files that a test writes. */
export let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageframe-exchange-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

export function write(name: string, contents: string | Uint8Array): string {
  const file = join(folder, name)
  writeFileSync(file, contents)
  return file
}

export async function exchange(...args: string[]) {
  const json = join(folder, 'report.json')
  rmSync(json, { force: true })
  const ended = await pageframe('exchange', ...args, '--json', json)
  const report = existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Report) : undefined
  return { ...ended, report }
}

/** The built package alone, as npx runs it, in a directory without node_modules. */
export function copyOfDist(): string {
  const home = join(folder, 'elsewhere')
  mkdirSync(home, { recursive: true })
  cpSync(fileURLToPath(new URL('../../dist', import.meta.url)), join(home, 'dist'), { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
  return join(home, 'dist/cli.js')
}

export function pageframe(...args: string[]) {
  return start(args).end
}

interface StartOptions extends Pick<SpawnOptions, 'uid' | 'gid' | 'detached' | 'env'> {
  readonly cli?: string
  readonly cwd?: string
  /** A file descriptor instead of a pipe. */
  readonly stdout?: number
}

export function start(
  args: readonly string[],
  { cli = CLI, cwd = folder, stdout: to, ...rest }: StartOptions = {},
) {
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
export function withoutZeroes(found: Found | undefined) {
  const counts = Object.entries(found?.counts ?? {}).filter(([, count]) => count !== 0)
  return { ...found, counts: Object.fromEntries(counts) }
}
