/** One suite for every implementation of Cpu: they agree on each instruction, or the fallback is not one. */

import fc from 'fast-check'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { atomicsCpu, compileCpu, wasmCpu, type Cpu } from '../../src/host/cpu.ts'
import { debugCpu } from '../../src/host/debug-cpu.ts'

const PAGES = 2
const BYTES = PAGES * 65_536

const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
const buffer = memory.buffer as unknown as SharedArrayBuffer
const module = compileCpu()

const implementations: readonly { readonly name: string; readonly cpu: Cpu; readonly kind: string }[] = [
  { name: 'wasm', cpu: wasmCpu(memory, module), kind: 'wasm' },
  { name: 'Atomics', cpu: atomicsCpu(buffer), kind: 'atomics' },
  { name: 'debug on wasm', cpu: debugCpu(wasmCpu(memory, module), BYTES), kind: 'debug' },
  { name: 'debug on Atomics', cpu: debugCpu(atomicsCpu(buffer), BYTES), kind: 'debug' },
]

const MIN = -0x80000000
const MAX = 0x7fffffff
const word = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, MIN, MAX))

const workers: Worker[] = []
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())))

describe.each(implementations)('the Cpu: $name', ({ cpu, kind }) => {
  const AT = 100
  const bytes = new Uint8Array(buffer)

  beforeEach(() => {
    bytes.fill(0)
  })

  test('what is stored is loaded, and no other word changes', () => {
    fc.assert(
      fc.property(word, (value) => {
        cpu.store(AT, value)

        expect(cpu.load(AT)).toBe(value)
        expect(cpu.plainLoad(AT)).toBe(value)
        expect([cpu.load(AT - 1), cpu.load(AT + 1)]).toEqual([0, 0])
      }),
    )
  })

  test('the first and the last word are words like others', () => {
    for (const at of [0, BYTES / 4 - 1]) {
      cpu.store(at, -7)
      expect(cpu.add(at, 9)).toBe(-7)
      cpu.plainStore(at, cpu.load(at) + 1)
      expect(cpu.load(at)).toBe(3)
    }
  })

  test('each read-modify-write returns the old word and leaves what the operator says, wrapped to 32 bits', () => {
    const operators = {
      add: (a: number, b: number) => (a + b) | 0,
      sub: (a: number, b: number) => (a - b) | 0,
      and: (a: number, b: number) => a & b,
      or: (a: number, b: number) => a | b,
      xor: (a: number, b: number) => a ^ b,
      exchange: (_: number, b: number) => b,
    }
    fc.assert(
      fc.property(
        word,
        word,
        fc.constantFrom(...(Object.keys(operators) as (keyof typeof operators)[])),
        (a, b, name) => {
          cpu.store(AT, a)

          expect(cpu[name](AT, b)).toBe(a)
          expect(cpu.load(AT)).toBe(operators[name](a, b))
        },
      ),
    )
  })

  test('numbers wrap around at both ends', () => {
    cpu.store(AT, MAX)
    cpu.add(AT, 1)
    expect(cpu.load(AT)).toBe(MIN)
    cpu.sub(AT, 1)
    expect(cpu.load(AT)).toBe(MAX)
  })

  test('compareExchange stores only over what was expected, and says what it found', () => {
    fc.assert(
      fc.property(word, word, word, (there, expected, value) => {
        cpu.store(AT, there)

        expect(cpu.compareExchange(AT, expected, value)).toBe(there)
        expect(cpu.load(AT)).toBe(there === expected ? value : there)
      }),
    )
  })

  test('copy is memmove: it overlaps in both directions, at any byte', () => {
    const range = fc.tuple(fc.nat(300), fc.nat(300), fc.nat(200))
    fc.assert(
      fc.property(range, ([to, from, length]) => {
        for (let i = 0; i < 600; i++) bytes[i] = (i * 7) & 0xff
        const model = bytes.slice(0, 600)
        model.copyWithin(to, from, from + length)

        cpu.copy(to, from, length)

        expect(bytes.subarray(0, 600)).toEqual(model)
      }),
    )
  })

  test('fill takes the low byte of the value and touches nothing beside the range', () => {
    cpu.fill(5, 0x1ab, 10)

    expect([...bytes.subarray(4, 16)]).toEqual([0, ...Array.from({ length: 10 }, () => 0xab), 0])
    cpu.fill(5, 1, 0)
    expect(bytes[5]).toBe(0xab)
  })

  test('compare has the sign of memcmp: unsigned bytes, the first difference decides', () => {
    const text = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(text, text, fc.boolean(), (left, right, same) => {
        const other = same ? left : right
        const length = Math.min(left.length, other.length)
        bytes.set(left, 1)
        bytes.set(other, 2001)

        const model = Buffer.compare(left.subarray(0, length), other.subarray(0, length))

        expect(Math.sign(cpu.compare(1, 2001, length))).toBe(model)
      }),
    )
    bytes[0] = 0xff
    bytes[8] = 0x01
    expect(cpu.compare(0, 8, 1)).toBeGreaterThan(0)
    expect(cpu.compare(8, 0, 1)).toBeLessThan(0)
  })

  test('storeLoad stores, and returns another word, or what it has just stored', () => {
    fc.assert(
      fc.property(word, word, word, (before, value, there) => {
        cpu.store(AT, before)
        cpu.store(AT + 300, there)

        expect(cpu.storeLoad(AT, value, AT + 300)).toBe(there)
        expect([cpu.load(AT), cpu.load(AT + 300)]).toEqual([value, there])
        expect(cpu.storeLoad(AT, there, AT)).toBe(there)
      }),
    )
  })

  test('guardedCompareExchange replaces what it expects, and nothing when the guard is another', () => {
    fc.assert(
      fc.property(word, word, word, word, word, (before, expected, value, guard, own) => {
        cpu.store(AT, before)
        cpu.store(AT + 300, guard)

        const isDone = cpu.guardedCompareExchange(AT + 300, own, AT, expected, value) === 0

        expect(isDone).toBe(guard === own && before === expected)
        expect(cpu.load(AT)).toBe(isDone ? value : before)
      }),
    )
    cpu.store(AT, 7)
    cpu.store(AT + 300, 3)
    expect(cpu.guardedCompareExchange(AT + 300, 3, AT, 7, 9)).toBe(0)
    expect(cpu.load(AT)).toBe(9)
  })

  const MOST = 2 ** 31 - 1

  test.each([
    [0, 1],
    [5, 6],
    [MOST - 1, MOST],
    [MOST, MOST],
    [-1, -1],
    [-(2 ** 31), -(2 ** 31)],
  ])('guardedAddOne makes of %d %d', (before, after) => {
    cpu.store(AT, before)
    cpu.store(AT + 300, 3)

    expect(cpu.guardedAddOne(AT + 300, 4, AT)).not.toBe(0)
    expect(cpu.load(AT)).toBe(before)

    expect(cpu.guardedAddOne(AT + 300, 3, AT) === 0).toBe(before !== after)
    expect(cpu.load(AT)).toBe(after)
  })

  test.each([
    [1, 0],
    [MOST, MOST - 1],
    [0, 0],
    [-1, -1],
    [-(2 ** 31), -(2 ** 31)],
  ])('guardedTakeOne makes of %d %d', (before, after) => {
    cpu.store(AT, before)
    cpu.store(AT + 300, 3)

    expect(cpu.guardedTakeOne(AT + 300, 4, AT)).not.toBe(0)
    expect(cpu.load(AT)).toBe(before)

    expect(cpu.guardedTakeOne(AT + 300, 3, AT) === 0).toBe(before !== after)
    expect(cpu.load(AT)).toBe(after)
  })

  test('guardedPairLoad replaces a pair whose second word is 0, and returns another word', () => {
    const state = (): number[] => [cpu.load(AT), cpu.load(AT + 1)]
    cpu.store(AT, 7)
    cpu.store(AT + 1, 0)
    cpu.store(AT + 300, 3)
    cpu.store(AT + 301, -44)

    expect(cpu.guardedPairLoad(AT + 300, 4, AT, 7, 9, AT + 301)).toBe(-1)
    expect(cpu.guardedPairLoad(AT + 300, 3, AT, 8, 9, AT + 301)).toBe(-1)
    expect(state()).toEqual([7, 0])
    expect(cpu.guardedPairLoad(AT + 300, 3, AT, 7, -9, AT + 301)).toBe(-44)
    expect(state()).toEqual([-9, 0])
    expect(cpu.guardedPairLoad(AT + 300, 3, AT, -9, 0, AT)).toBe(0)
    expect(state()).toEqual([0, 0])

    cpu.store(AT + 1, 1)
    expect(cpu.guardedPairLoad(AT + 300, 3, AT, 0, 9, AT + 301)).toBe(-1)
    expect(state()).toEqual([0, 1])
  })

  test('spinWhileEqual returns at once what differs, and gives up after its turns', () => {
    cpu.store(AT, 5)

    expect(cpu.spinWhileEqual(AT, 4, 1_000_000_000)).toBe(5)
    expect(cpu.spinWhileEqual(AT, 5, 1)).toBe(5)
    expect(cpu.spinWhileEqual(AT, 5, 1000)).toBe(5)
    expect(cpu.spinWhileEqual(AT, 5, 0)).toBe(5)
  })

  test('two threads increment, and no increment is lost; spinWhileEqual sees what the other stores', async () => {
    const rounds = 50_000
    const [counter, go] = [200, 400]
    const worker = new Worker(new URL('../fixtures/increment.mjs', import.meta.url), {
      workerData: { memory, module, kind, rounds, counter, go },
      stderr: true, // it warns that this process has no default memory
    })
    workers.push(worker)
    const done = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))

    while (cpu.load(go) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    cpu.store(go, 2) // the worker spins on it
    for (let i = 0; i < rounds; i++) cpu.add(counter, 1)
    for (let i = 0; i < rounds; i++) {
      for (let seen = cpu.load(counter + 1); ;) {
        const now = cpu.compareExchange(counter + 1, seen, seen + 1)
        if (now === seen) break
        seen = now
      }
    }
    await done

    expect(cpu.load(counter)).toBe(2 * rounds)
    expect(cpu.load(counter + 1)).toBe(2 * rounds)
  })
})

describe('the debug Cpu', () => {
  const cpu = debugCpu(atomicsCpu(buffer), BYTES)
  const ASSERTION = expect.objectContaining({ code: 'ERR_PAGEFRAME_ASSERTION' }) as unknown as Error
  const words = BYTES / 4

  test.each([-1, words, words + 1, 0.5, NaN, Infinity, 2 ** 32])(
    'refuses word %s in every instruction',
    (at) => {
      const instructions = [
      () => cpu.load(at),
      () => { cpu.store(at, 0) },
      () => cpu.add(at, 1),
      () => cpu.sub(at, 1),
      () => cpu.and(at, 1),
      () => cpu.or(at, 1),
      () => cpu.xor(at, 1),
      () => cpu.exchange(at, 1),
      () => cpu.compareExchange(at, 0, 1),
      () => cpu.storeLoad(at, 0, 0),
      () => cpu.storeLoad(0, 0, at),
      () => cpu.guardedCompareExchange(at, 0, 0, 0, 1),
      () => cpu.guardedCompareExchange(0, 0, at, 0, 1),
      () => cpu.guardedAddOne(at, 0, 0),
      () => cpu.guardedAddOne(0, 0, at),
      () => cpu.guardedTakeOne(at, 0, 0),
      () => cpu.guardedTakeOne(0, 0, at),
      () => cpu.guardedPairLoad(at, 0, 0, 0, 1, 0),
      () => cpu.guardedPairLoad(0, 0, at, 0, 1, 0),
      () => cpu.guardedPairLoad(0, 0, 0, 0, 1, at),
      () => cpu.plainLoad(at),
      () => { cpu.plainStore(at, 1) },
      () => cpu.spinWhileEqual(at, 0, 1),
    ] // prettier-ignore

      for (const instruction of instructions) expect(instruction).toThrow(ASSERTION)
    },
  )

  test.each([
    [-1, 1],
    [BYTES, 1],
    [BYTES - 1, 2],
    [0, BYTES + 1],
    [0, -1],
    [0.5, 1],
    [0, NaN],
  ])('refuses %i + %i bytes', (at, length) => {
    expect(() => { cpu.copy(at, 0, length) }).toThrow(ASSERTION) // prettier-ignore
    expect(() => { cpu.copy(0, at, length) }).toThrow(ASSERTION) // prettier-ignore
    expect(() => { cpu.fill(at, 0, length) }).toThrow(ASSERTION) // prettier-ignore
    expect(() => cpu.compare(at, 0, length)).toThrow(ASSERTION)
    expect(() => cpu.compare(0, at, length)).toThrow(ASSERTION)
  })

  test('refuses values that are no int32, and allows ranges up to the last byte', () => {
    expect(() => { cpu.store(0, 2 ** 31) }).toThrow(ASSERTION) // prettier-ignore
    expect(() => cpu.add(0, 0.5)).toThrow(ASSERTION)
    cpu.fill(BYTES - 1, 1, 1)
    cpu.fill(BYTES, 1, 0)
  })
})
