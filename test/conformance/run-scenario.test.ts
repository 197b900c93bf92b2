/** The order of steps, symbols, blocking and the ends of processes, with processes that answer from a script. */

import { expect, test } from 'vitest'
import { runScenario } from './run-scenario.mjs'
import { parseScenarios } from './scenarios.mjs'
import { ScriptedWorld } from './scripted-world.ts'

type Script = ConstructorParameters<typeof ScriptedWorld>[0]

async function run(steps: object[], script: Script = {}, procs = ['A']): Promise<ScriptedWorld> {
  const world = new ScriptedWorld(script)
  await runIn(world, steps, procs)
  return world
}

async function runIn(world: ScriptedWorld, steps: object[], procs = ['A']): Promise<void> {
  const [scenario] = parseScenarios(JSON.stringify({ id: 'x', procs, steps }))
  await runScenario(scenario, () => Promise.resolve(world))
}

test('symbols are bound to results and reach the calls of every process', async () => {
  const world = await run(
    [
      { p: 'A', call: 'mmap', args: { addr: 0, len: '2p', prot: 'PROT_READ' }, as: 'm' },
      { p: 'A', call: 'load', args: { addr: 'm+4' }, as: 'v' },
      { p: 'B', call: 'store', args: { addr: 'W+m', value: 'v+pid_B', n: 8 } },
      { p: 'B', call: 'munmap', args: { addr: -4096, len: 'v' }, expect: { errno: 'EINVAL' }, as: 'e' },
      { p: 'B', call: 'dup', args: { fd: 'e' } },
    ],
    { A: [{ ret: 4096n }, { ret: 0n, value: 7n }], B: [{ ret: 0n }, { errno: 'EINVAL' }] },
    ['A', 'B'],
  )

  expect(world.calls).toEqual([
    'A.mmap {"addr":0,"len":8192,"prot":1}',
    'A.load {"addr":4100}',
    `B.store {"addr":${2 ** 40 + 4096},"value":"109n","n":8}`,
    `B.munmap {"addr":${2 ** 64 - 4096},"len":7}`,
    'B.dup {"fd":-1}',
  ])
})

test.each([
  ['an error nobody expected', { call: 'close', args: { fd: 3 } }, { errno: 'EBADF' }],
  [
    'a success where an error was expected',
    { call: 'close', args: { fd: 3 }, expect: { errno: 'EBADF' } },
    { ret: 0n },
  ],
  [
    'a fault nobody expected',
    { call: 'load', args: { addr: 0 } },
    { signal: 'SIGSEGV', code: 'MAPERR', addr: 0n },
  ],
  ['a broken engine', { call: 'close', args: { fd: 3 } }, { broke: 'TypeError: no' }],
  ['a name nobody has bound', { call: 'close', args: { fd: 'nobody' } }, { ret: 0n }],
  ['an expression that is none', { call: 'close', args: { fd: '3 3' } }, { ret: 0n }],
  ['a wrong result', { call: 'dup', args: { fd: 3 }, expect: { ret: 4 } }, { ret: 5n }],
])('%s fails the scenario, with the step', async (_what, step, outcome) => {
  const world = new ScriptedWorld({ A: [{ ret: 0n }, outcome] })

  const failing = runIn(world, [
    { p: 'A', call: 'close', args: { fd: 9 } },
    { p: 'A', ...step },
  ])

  await expect(failing).rejects.toMatchObject({
    name: 'ScenarioFailure',
    message: expect.stringContaining(`step 2, A.${step.call}`) as string,
  })
  expect(world.hasEnded).toBe(true)
})

test('a world that is not in order at the end fails the scenario', async () => {
  const world = new ScriptedWorld({})
  world.complaints = ['a frame is lost']

  await expect(runIn(world, [{ p: 'A', call: 'close', args: { fd: 3 } }])).rejects.toThrow('a frame is lost')
})

test('a started call is seen blocked and finishes with its outcome', async () => {
  await run(
    [
      { p: 'A', call: 'sleep', args: { ms: 100 }, start: true },
      { p: 'A', call: 'blocked' },
      { p: 'B', call: 'close', args: { fd: 3 } },
      { p: 'A', call: 'finish', expect: { ret: 5 } },
      { p: 'A', call: 'close', args: { fd: 3 } },
    ],
    { A: [{ after: 150, outcome: { ret: 5n } }] },
    ['A', 'B'],
  )
})

test.each([
  ['returns at once', [{ p: 'A', call: 'sleep', start: true }], [{ ret: 0n }], /at once/],
  [
    'has returned',
    [{ p: 'A', call: 'sleep', start: 'maybe' }, { p: 'A', call: 'blocked' }], // prettier-ignore
    [{ ret: 0n }],
    /has returned/,
  ],
  ['was never started', [{ p: 'A', call: 'finish' }], [], /nothing was started/],
  [
    'is not over yet',
    [{ p: 'A', call: 'sleep', start: true }, { p: 'A', call: 'close' }], // prettier-ignore
    ['never' as const],
    /still inside/,
  ],
])('blocking: a call that %s fails the scenario', async (_what, steps, answers, message) => {
  await expect(run(steps, { A: answers })).rejects.toThrow(message)
})

test('finish_any names who came first, finish_all collects', async () => {
  const world = await run(
    [
      { p: 'A', call: 'sleep', start: true },
      { p: 'B', call: 'sleep', start: true },
      { p: 'C', call: 'sleep', start: true },
      { call: 'finish_any', args: { of: ['A', 'B'] }, as: 'w', expect: { ret: 2 } },
      { p: '$w', call: 'close', args: { fd: 5 } },
      { call: 'finish_all', args: { of: ['A', 'C'] }, expect: { rets: [-1, 1], errnos: ['EAGAIN'] } },
    ],
    {
      A: [{ after: 120, outcome: { errno: 'EAGAIN' } }],
      B: [{ after: 60, outcome: { ret: 2n } }],
      C: [{ after: 90, outcome: { ret: 1n } }],
    },
    ['A', 'B', 'C'],
  )

  expect(world.calls.at(-1)).toBe('B.close {"fd":5}')
})

test('exit, kill and wait: a process that has ended takes no more calls', async () => {
  const ends = [
    { p: 'A', call: 'exit', args: { code: 7 } },
    { p: 'B', call: 'wait', args: { target: 'A' }, expect: { ret: 'pid_A', exited: 7 } },
    { p: 'B', call: 'kill', args: { target: 'C', sig: 'SIGKILL' } },
    { p: 'B', call: 'wait', args: { target: 'C' }, expect: { signaled: 'SIGKILL' } },
    { p: 'B', call: 'kill', args: { target: 'C', sig: 0 }, expect: { errno: 'ESRCH' } },
  ]
  const procs = ['A', 'B', 'C']

  await run(ends, {}, procs)
  await expect(run([...ends, { p: 'A', call: 'close' }], {}, procs)).rejects.toThrow(/A has ended/)
  await expect(run([...ends, { p: 'D', call: 'close' }], {}, procs)).rejects.toThrow(/no process D/)
  await expect(
    run([ends[0], { p: 'B', call: 'wait', args: { target: 'A' }, expect: { exited: 8 } }], {}, procs),
  ).rejects.toThrow(/exit code/)
})

const area = { start: 2 ** 40, end: 2 ** 40 + 8192, perms: 'rw-p', offset: 0, inode: 0 }
const vmas = [[2 ** 40, 2, 'rw-p', 0]]

test('the areas are what others and the process itself see alike', async () => {
  const look = { p: 'A', call: 'maps', args: { addr: 'W', len: '8p' }, expect: { vmas: [['W', 2, 'rw-p']] } }
  const world = new ScriptedWorld({
    A: [
      { vmas, ms: 3 },
      { vmas: [[2 ** 40, 1, 'rw-p', 0]], ms: 3 },
    ],
  })
  world.inspect = { maps: () => [area] }

  await expect(runIn(world, [look])).resolves.toBeUndefined()
  await expect(runIn(new DifferingWorld(), [look])).rejects.toThrow(/others see/)
})

class DifferingWorld extends ScriptedWorld {
  override inspect = { maps: () => [area] }

  constructor() {
    super({ A: [{ vmas: [[2 ** 40, 1, 'rw-p', 0]] }] })
  }
}

test('areas are cut to the range, and neighbours that nobody can tell apart are one', async () => {
  const shared = { start: 2 ** 40 + 8192, end: 2 ** 40 + 16384, perms: 'rw-s', offset: 4096, inode: 7 }
  const next = { ...shared, start: shared.end, end: shared.end + 4096, offset: 12288 }
  const other = { ...next, start: next.end, end: next.end + 4096, offset: 0 }
  const cut = [
    [2 ** 40 + 4096, 1, 'rw-p', 1],
    [2 ** 40 + 8192, 3, 'rw-s', 1],
  ]
  const world = new ScriptedWorld({ A: [{ vmas: cut }, { ret: 3 }] })
  world.inspect = { maps: () => [area, shared, next, other] }

  await runIn(world, [
    {
      p: 'A',
      call: 'maps',
      args: { addr: 'W+1p', len: '4p' },
      expect: { vmas: [['W+1p', 1, 'rw-p'], ['W+2p', 3, 'rw-s', 1]] }, // prettier-ignore
    },
    { p: 'A', call: 'vma_count', args: { addr: 'W+1p', len: '4p' }, expect: { ret: 3 } },
  ])
})
