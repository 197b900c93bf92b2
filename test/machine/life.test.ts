/** The life of a process: what it starts with, and how it ends by itself. */

import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { boot, PROGRAM, start } from './machines.ts'

describe('a process that is spawned', () => {
  test('gets its arguments by structured cloning, and what it returns is its status', async () => {
    const machine = await boot()
    const shared = new Int32Array(new SharedArrayBuffer(8))

    const child = await start(
      machine,
      ({ self }, { numbers, map, words }) => {
        words[0] = self.pid
        words[1] = map.get('x') ?? -1
        return numbers.reduce((sum, each) => sum + each)
      },
      { numbers: [1, 2, 4], map: new Map([['x', 9]]), words: shared },
    )

    expect(await child.waitAsync()).toEqual({ code: 7, signal: null })
    expect([...shared]).toEqual([child.pid, 9])
  })

  test.each([
    [undefined, 0],
    [0, 0],
    [255, 255],
    [256, 0],
    [-1, 255],
    [3.9, 3],
  ])('that returns %s has status %s', async (returned, code) => {
    const machine = await boot()

    const child = await start(machine, (_, value) => value, returned)

    expect(await child.waitAsync()).toEqual({ code, signal: null })
  })

  test('ends when main() is over, whatever it has left in its event loop', async () => {
    const machine = await boot()

    const child = await start(machine, async () => {
      setInterval(() => undefined, 1000)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return 5
    })

    expect(await child.waitAsync()).toEqual({ code: 5, signal: null })
  })

  test('knows itself: current(), its name, its environment, its file', async () => {
    const machine = await boot()
    process.env.PAGEFRAME_TEST_VALUE = 'here'

    const child = await machine.spawn(PROGRAM, {
      name: 'clerk',
      args: {
        source: String(
          ({ self, current }: { self: { name: string }; current: () => unknown }, file: string) => {
            if (current() !== self) return 1
            if (self.name !== 'clerk') return 2
            if (process.env.PAGEFRAME_TEST_VALUE !== 'here') return 3
            if (process.argv[1] !== file) return 4
            return 0
          },
        ),
        args: [fileURLToPath(PROGRAM)],
      },
    })

    delete process.env.PAGEFRAME_TEST_VALUE
    expect(child.name).toBe('clerk')
    expect(child.parent).toBe(1)
    expect(await child.waitAsync()).toEqual({ code: 0, signal: null })
    expect(child.state).toBe('free')
    expect(child.name).toBe('')
  })

  test('may exit from anywhere, and runs nothing after that', async () => {
    const machine = await boot()
    const words = new Int32Array(new SharedArrayBuffer(4))

    const child = await start(
      machine,
      ({ self }, seen) => {
        try {
          self.exit(9)
        } finally {
          seen[0] = 1
        }
      },
      words,
    )

    expect(await child.waitAsync()).toEqual({ code: 9, signal: null })
    expect(words[0]).toBe(0)
  })

  test('may end as Node programs do', async () => {
    const machine = await boot()

    const child = await start(machine, () => process.exit(4))

    expect(await child.waitAsync()).toEqual({ code: 4, signal: null })
  })

  test('runs from data: URLs too, and from CommonJS', async () => {
    const machine = await boot()
    const url = new URL('data:text/javascript,export default () => 6')

    const child = await machine.spawn(url)
    const other = await machine.spawn(url.href)
    const common = await machine.spawn('test/fixtures/common.cjs')

    expect(await child.waitAsync()).toEqual({ code: 6, signal: null })
    expect(await other.waitAsync()).toEqual({ code: 6, signal: null })
    expect(await common.waitAsync()).toEqual({ code: 8, signal: null })
  })

  test('that fills its heap is ended by SIGKILL, and nobody else', async () => {
    const machine = await boot()

    const child = await machine.spawn(PROGRAM, {
      resourceLimits: { maxOldGenerationSizeMb: 16 },
      args: {
        source: String(() => {
          // Small things: by arrays of a thousand Node 24 runs over the limit at times, and the whole of it ends.
          let kept: unknown
          for (let i = 0; ; i++) kept = { kept, text: `kept ${i}` }
        }),
        args: [],
      },
    })

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await (await start(machine, () => 3)).waitAsync()).toEqual({ code: 3, signal: null })
  })
})
