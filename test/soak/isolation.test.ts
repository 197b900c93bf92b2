/**
 * Isolation: processes that access memory at random, in every way there is, reach their own data or are refused. Each stores
 * bytes of a value of its own, and nobody may ever read another's.
 *
 *   PAGEFRAME_ISOLATION_ACCESSES   how many each process makes, 20,000 if not given
 */

import { Worker } from 'node:worker_threads'
import { MAP_ANONYMOUS, MAP_PRIVATE, Machine, PROT_READ, PROT_WRITE } from 'pageframe/machine'
import { expect, test } from 'vitest'

const ACCESSES = Number(process.env.PAGEFRAME_ISOLATION_ACCESSES ?? 20_000)
const ENTRY = new URL('../fixtures/stray-process.mjs', import.meta.url)
const PAGE = 4096
const PAGES = 8

const { MINE, OTHERS } = (await import(ENTRY.href)) as {
  readonly MINE: readonly number[]
  readonly OTHERS: number
}

test.each(['lp64', 'ilp32'] as const)(
  'whoever reads and writes anywhere reaches its own data or a fault (%s)',
  async (layout) => {
    const workers: Worker[] = []
    const worker = (entry: URL): Worker => {
      const made = new Worker(entry)
      workers.push(made)
      return made
    }
    const machine = await Machine.boot({ memory: '32MiB', layout, worker })
    const { self } = machine
    const victim = self.mmap(null, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    self.fill(victim, OTHERS, PAGES * PAGE)
    const window = self.window(victim, PAGE)
    const said: (string | number)[] = []

    const children = await Promise.all(
      MINE.map((_, role) => {
        const child = machine.spawn(ENTRY, { args: { role, accesses: ACCESSES, theirs: [victim] } })
        workers[role].on('message', (what: string | number) => said.push(what))
        workers[role].on('error', (error) => said.push(String(error)))
        return child
      }),
    )
    const codes = await Promise.all(children.map((child) => child.waitAsync()))

    expect(said.filter((what) => typeof what === 'string').slice(0, 10)).toEqual([])
    expect(codes).toEqual(MINE.map(() => ({ code: 0, signal: null })))
    for (const refused of said) expect(refused).toBeGreaterThan(ACCESSES / 10)
    for (let at = 0; at < PAGES * PAGE; at++) expect(self.load8(victim + at)).toBe(OTHERS)
    expect(window.runs.every((run) => run.every((byte) => byte === OTHERS))).toBe(true)
    expect(machine.check().problems).toEqual([])
    await machine[Symbol.asyncDispose]()
  },
  120_000,
)
