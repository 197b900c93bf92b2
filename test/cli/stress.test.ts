/** pageframe stress: what it measures, verifies, shows and leaves. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { folder, pageframe, start } from './command.ts'
import { short, SPIN, stress, type StressReport } from './stress.ts'

test('without a name, everything is measured, verified and in the table', async () => {
  const { code, stdout, stderr, report } = await stress(short)

  expect(code, stderr).toBe(0)
  const { stdout: help } = await pageframe('stress', '--help')
  const names = /PRIMITIVE=<\.\.\.> +(.*) \(Default/.exec(help)?.[1].split(', ')
  expect(report).toMatchObject({ isCorrect: true, wasInterrupted: false })
  expect(report?.primitives.map(({ name }) => name)).toEqual(names)
  for (const {
    name,
    workers,
    perWorker,
    operations,
    perSecond,
    seconds,
    waits,
    verified,
    violationCount,
  } of report?.primitives ?? []) {
    expect(workers).toBe(2)
    expect(perWorker).toHaveLength(2)
    expect(perWorker.reduce((sum, count) => sum + count, 0)).toBe(operations)
    expect(operations, name).toBeGreaterThan(0)
    expect(perSecond * seconds).toBeCloseTo(operations, 0)
    expect(violationCount).toBe(0)
    expect(stdout).toContain(`${name}: ${verified}`)
    for (const { timed, p50Ns, p99Ns, p9999Ns, maxNs, histogram } of waits) {
      expect(p50Ns).toBeLessThanOrEqual(p99Ns)
      expect(p99Ns).toBeLessThanOrEqual(p9999Ns)
      expect(p9999Ns).toBeLessThanOrEqual(maxNs)
      expect(histogram.reduce((sum, [, count]) => sum + count, 0)).toBe(timed)
    }
  }
})

test('names of stress-ng and of Linux stand for ours, and each is tested once', async () => {
  const { code, report } = await stress(['mtx', 'sem', 'mutex', 'cond', ...short])
  const { stdout: help } = await pageframe('stress', '--help')

  expect(code).toBe(0)
  expect(report?.primitives.map(({ name }) => name)).toEqual(['mutex', 'semaphore', 'condition'])
  expect(help).toContain('mtx = mutex, sem = semaphore, cond = condition, ring = channel')
})

describe('a primitive that does not do what it promises is found, and exit code 1 says so', () => {
  test.each([
    ['mutex', 'exclusion', /worker \d came in while worker \d was inside|was inside, and found|left section/],
    ['mutex', 'wakeup', /worker \d got no further for [\d.]+ s \(\w+\)/],
    ['rwlock', 'exclusion', /worker \d reads while|worker \d writes while|where that should be the same/],
    ['semaphore', 'exclusion', /worker \d came in as number 2, by a semaphore of 1/],
    ['semaphore', 'wakeup', /got no further|permits? .* left/],
    ['semaphore', 'loss', /got no further|permits? .* left/],
    [
      'condition',
      'exclusion',
      /worker \d came to the buffer while worker \d was at it|was at the buffer, and found/,
    ],
    ['condition', 'wakeup', /worker \d got no further/],
    ['barrier', 'exclusion', /worker \d was let through at the end of phase \d+ with worker \d in phase \d+/],
    ['barrier', 'loss', /phases had [\d,]+ serial arrivals/],
    ['futex', 'exclusion', /came in while|was inside, and found|left section/],
    ['futex', 'wakeup', /worker \d got no further/],
    ['spin', 'exclusion', /came in while|was inside, and found|left section/],
    ['channel', 'loss', /received message \d+ where message \d+ was due/],
    ['channel', 'damage', /received message \d+ with other contents than were sent/],
    ['peterson', 'exclusion', /came in while|was inside, and found|left section/],
    ['dekker', 'exclusion', /came in while|was inside, and found|left section/],
  ])('%s: %s', async (primitive, fault, what) => {
    // Long enough to be caught, however slow the machine; over with the first violation.
    const seconds = primitive === 'barrier' && fault === 'loss' ? '0.5' : '8'
    const args = [primitive, '--workers', '2', '--seconds', seconds, '--hold', '300', '--read-ratio', '0.5']

    const { code, stdout, stderr, report, figures } = await stress(args, { PAGEFRAME_STRESS_FAULT: fault })

    expect(code).toBe(1)
    expect(report?.isCorrect).toBe(false)
    expect(figures?.violations.join('\n')).toMatch(what)
    expect(figures?.verified).toBe('')
    expect(stdout).toMatch(/\d VIOLATIONS?\n/)
    expect(stderr).toMatch(new RegExp(`pageframe stress: ${primitive}: .*violations?, the first: `))
  })
})

describe('workers that are killed at random are replaced, and what they held is handed on', () => {
  test.each(['mutex', 'rwlock', 'semaphore', 'condition', 'barrier', 'spin', 'channel'])(
    '%s',
    async (primitive) => {
      const args = [primitive, '--workers', '4', '--seconds', '2', '--hold', '2000', '--kill-every', '40']

      const { code, stdout, stderr, figures } = await stress(args)

      expect(code, stdout + stderr).toBe(0)
      const { count = 0, holding = NaN, waiting = NaN, elsewhere = NaN } = figures?.kills ?? {}
      const { leaving = NaN, writing = NaN, notices = NaN } = figures?.kills ?? {}
      expect(count).toBeGreaterThan(0)
      expect(holding + waiting + elsewhere).toBe(count)
      expect(stdout).toMatch(/\d+ deaths?: \d+ inside, \d+ waiting, \d+ elsewhere/)
      expect(stdout).toContain(`: ${holding - leaving} inside, `)
      if (['mutex', 'spin', 'condition'].includes(primitive)) {
        expect(stdout).toContain(`the next owner was told ${notices} time`)
        expect(notices).toBeGreaterThanOrEqual(holding - leaving)
      }
      if (primitive === 'rwlock') {
        expect(stdout).toContain(
          `; ${writing} of those inside wrote; the next writer was told ${notices} time`,
        )
        expect(notices).toBeGreaterThanOrEqual(writing)
      }
    },
  )

  test('and a lock that does not tell the next owner of a death is found', async () => {
    const args = ['mutex', '--workers', '2', '--seconds', '8', '--hold', '20000', '--kill-every', '30']

    const { code, figures } = await stress(args, { PAGEFRAME_STRESS_FAULT: 'loss' })

    expect(code).toBe(1)
    expect(figures?.violations.join()).toMatch(
      /came in while|left section|died inside, and the next owners|ENOTRECOVERABLE/,
    )
  })

  test('but not where nothing can be done about it, which is said', async () => {
    const { code, stdout, report } = await stress(['mutex', 'peterson', ...short, '--kill-every', '100'])

    expect(code).toBe(0)
    expect(report?.primitives[1].kills).toBeUndefined()
    expect(stdout).toContain("nobody was killed: Peterson's algorithm has no answer to a death inside")
  })
})

test('Ctrl-C ends it with exit code 130, with the results so far, and leaves no process behind', async () => {
  const json = join(folder, 'partial.json')
  const args = ['stress', 'mutex', '--workers', '2', '--seconds', '600', '--json', json]
  const { child, end } = start(args, { detached: true }) // a process group of its own
  const group = -(child.pid ?? NaN)
  await new Promise<void>((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes(' of 600.0 s')) resolve()
    })
  })

  process.kill(group, 'SIGINT')
  const { code, signal, stdout, stderr } = await end

  expect({ code, signal }).toEqual({ code: 130, signal: null })
  expect(stderr).toContain('pageframe stress: interrupted')
  expect(stdout).toMatch(/│ mutex +│ +2 │/)
  expect(stdout).toContain('Interrupted: ')
  const report = JSON.parse(readFileSync(json, 'utf8')) as StressReport
  expect(report).toMatchObject({ wasInterrupted: true, isCorrect: true })
  expect(report.primitives[0].operations).toBeGreaterThan(0)
  expect(() => process.kill(group, 0)).toThrow('ESRCH')
})

test('Ctrl-C between two points of a picture: those that were measured are in it', async () => {
  const [json, svg] = [join(folder, 'points.json'), join(folder, 'points.svg')]
  // Says when the second point begins, which is warmed up first.
  const source = SPIN.replace('{ this.words', '{ if (worker === 2) process._rawDebug("second"); this.words')
  const lock = join(folder, 'telling.mjs')
  writeFileSync(lock, source)
  const args = ['stress', '--lock', lock, '--workers', '2', '--seconds', '2', '--json', json, '--svg', svg]
  const { child, end } = start(args)
  child.stderr?.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('second')) child.kill('SIGINT')
  })

  const { code, stdout } = await end

  expect(code).toBe(130)
  expect(stdout).toMatch(/│ Spin +│ +[12] │/)
  const { wasInterrupted, primitives } = JSON.parse(readFileSync(json, 'utf8')) as StressReport
  expect(wasInterrupted).toBe(true)
  expect(primitives[0].sweep[0]).toMatchObject({ workers: 1, violationCount: 0 })
  expect(primitives[0].sweep[0].operations).toBeGreaterThan(0)
  expect(readFileSync(svg, 'utf8')).toContain('<svg')
})

describe('what is not understood has exit code 2', () => {
  test.each([
    ['an unknown primitive', ['mutxe'], "there is no primitive 'mutxe', only: mutex, "],
    ['no workers', ['--workers', '0'], '--workers must be a whole number from 1 to 64'],
    ['half a worker', ['--workers', '1.5'], '--workers must be a whole number'],
    ['no time', ['--seconds', '0'], '--seconds must be a number from 0.1'],
    ['a negative time', ['--hold=-1'], '--hold must be a number from 0'],
    ['no number', ['--think', 'long'], "--think must be a number from 0 to 1000000000, not 'long'"],
    ['a ratio above one', ['--read-ratio', '2'], '--read-ratio must be a number from 0 to 1'],
    ['killing all the time', ['--kill-every', '0'], '--kill-every must be a number from 1'],
    ['killing who cannot die', ['dekker', '--kill-every', '5'], '--kill-every does not go with dekker'],
    ['no value', ['--seconds'], '--seconds needs seconds'],
    ['two locks', ['--lock', 'a.mjs', '--lock=b.mjs'], '--lock is given twice'],
    ['two times', ['--kill-every', '5', '--killEvery', '6'], '--kill-every is given twice'],
    ['one file for two', ['--json', 'a', '--svg', './a'], '--json and --svg name one file, ./a'],
    ['an unknown option', ['--killevery', '5'], 'there is no option --killevery'],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await pageframe('stress', ...args)

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })
})
