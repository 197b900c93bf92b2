/**
 * Random calls in a window of 64 pages, and what a Linux kernel (6.18) said: result, signal, minor faults, and the areas
 * after each call. fixtures/linux-traces.jsonl: a trace a line; of a step: the call, its result (or SIGnumber/code), minor
 * faults, and the areas if they have changed (`start-end perms:object+page`, `:9` is shared anonymous memory).
 */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BusError, SegmentationFault } from '../../src/paging/signals.ts'
import { areasOf, type AreaInfo } from '../../src/space/areas-of.ts'
import { MAP_FIXED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../src/space/constants.ts'
import { VM_SHARED } from '../../src/space/vma.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { machine, type TestMachine, type TestProcess } from './fault-world.ts'

interface Trace {
  readonly seed: number
  readonly steps: readonly (readonly [string, number | string, number, string?])[]
}

const FILE = process.env.PAGEFRAME_TRACES ?? new URL('fixtures/linux-traces.jsonl', import.meta.url)
const traces = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Trace)

const BASE = { lp64: 0x1000_0000_0000, ilp32: 0x4000_0000 } as const
const ACCESS = [2, 2, 0, 1]

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test.each(traces.map((trace) => [trace.seed, trace] as const))(
    'trace %i',
    { timeout: 20_000 },
    (_, trace) => {
      const computer = machine(layout)
      const process = computer.process(0)
      const replay = new Replay(computer, process, BASE[layout])
      let areas = ''
      trace.steps.forEach(([call, result, faults, changed], i) => {
        areas = changed ?? areas
        const where = `step ${i}: ${call}`
        const before = process.space.faults.minor

        expect([where, replay.run(call)]).toEqual([where, result])
        expect([where, replay.show()]).toEqual([where, areas])
        expect([where, process.space.faults.minor - before]).toEqual([where, faults])
      })
      expect([...process.space.areas.table.tree.problems()]).toEqual([])
      expect(computer.problems()).toEqual([])
    },
  )
})

class Replay {
  private readonly objects: number[] = []
  private readonly computer: TestMachine
  private readonly process: TestProcess
  private readonly base: number

  constructor(computer: TestMachine, process: TestProcess, base: number) {
    this.computer = computer
    this.process = process
    this.base = base
  }

  run(call: string): number | string {
    const [op, ...rest] = call.split(' ')
    const [a, b, c, d, e = -1, f = 0] = rest.map(Number)
    const { areas } = this.process.space
    const { mmu } = this.process
    const address = this.base + a * PAGE_SIZE
    switch (op) {
      case 'file':
        this.objects[a] = this.computer.object(0)
        return this.computer.kernel.objects.resize(this.objects[a], b)
      case 'mmap': {
        const backing = e < 0 ? undefined : { object: this.objects[e], access: ACCESS[e] }
        const got = areas.mmap(address, b * PAGE_SIZE, c, d | MAP_FIXED, backing, f * PAGE_SIZE)
        return got < 0 ? got : (got - this.base) / PAGE_SIZE
      }
      case 'munmap':
        return areas.munmap(address, b * PAGE_SIZE)
      case 'mprotect':
        return areas.mprotect(address, b * PAGE_SIZE, c)
      case 'r':
        return signalOf(() => mmu.load8(address))
      case 'w':
        return signalOf(() => {
          mmu.store8(address, b)
          return 0
        })
      default:
        throw new Error(`no such call: ${call}`)
    }
  }

  show(): string {
    return areasOf(this.process.kernel, this.process.at)
      .map((area) => this.showArea(area))
      .join(' ')
  }

  private showArea({ start, end, prot, flags, object, offset }: AreaInfo): string {
    const first = this.base / PAGE_SIZE
    const bit = (mask: number, letter: string) => ((prot & mask) === 0 ? '-' : letter)
    const perms = bit(PROT_READ, 'r') + bit(PROT_WRITE, 'w') + bit(PROT_EXEC, 'x')
    const index = this.objects.indexOf(object)
    const what = object === 0 ? '' : `:${index < 0 ? 9 : index}+${offset}`
    return `${start - first}-${end - first}${perms}${(flags & VM_SHARED) === 0 ? 'p' : 's'}${what}`
  }
}

function signalOf(access: () => number): number | string {
  try {
    return access()
  } catch (error) {
    if (error instanceof SegmentationFault) return `SIG11/${error.code === 'SEGV_MAPERR' ? 1 : 2}`
    if (error instanceof BusError) return 'SIG7/2'
    throw error
  }
}
