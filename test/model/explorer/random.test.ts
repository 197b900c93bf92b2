/**
 * The explorer leaves out steps whose order cannot matter. Random programs end in the same ways, and race or do not, as
 * they do when nothing is left out.
 */

import { expect, test } from 'vitest'
import { explore } from '../../../src/testing/explore.ts'
import type { Access } from '../../../src/testing/instructions.ts'
import type { Model, ModelThread, Run, Snapshot } from '../../../src/testing/model.ts'
import type { Position } from '../../../src/testing/positions.ts'
import type { World } from '../../../src/testing/world.ts'
import { visitAll } from './visit-all.ts'

const PROGRAMS = Number(process.env.PROGRAMS ?? 300)

test('nothing that is left out hides an outcome or a race', () => {
  let racy = 0
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const model = randomModel(seed)

    const slow = stepByStep(model)
    const fast = reduced(model)

    expect({ seed, isRacy: fast.isRacy }).toEqual({ seed, isRacy: slow.isRacy })
    if (slow.isRacy) racy++
    else expect({ seed, outcomes: fast.outcomes }).toEqual({ seed, outcomes: slow.outcomes })
  }

  console.log(`random programs: ${PROGRAMS - racy} free of races, ${racy} racy`)
  expect(Math.min(racy, PROGRAMS - racy)).toBeGreaterThan(PROGRAMS / 10)
})

interface Outcomes {
  /** Memory, ghosts and deaths at the end of a run. */
  readonly outcomes: readonly string[]
  readonly isRacy: boolean
}

function reduced(model: Model): Outcomes {
  const outcomes = new Set<string>()
  const final = (state: Snapshot): void => void outcomes.add(outcomeOf(state, model))
  const { failures } = explore({ ...model, final, raceCheck: true })
  return { outcomes: [...outcomes].sort(), isRacy: failures.some(({ kind }) => kind === 'race') }
}

/** With a race only where both accesses are still to come. */
function stepByStep(model: Model): Outcomes {
  const outcomes = new Set<string>()
  let isRacy = false
  visitAll(model, (world) => {
    if (world.isAtEnd()) outcomes.add(outcomeOf(world.snapshot, model))
    isRacy ||= hasRace(world)
  })
  return { outcomes: [...outcomes].sort(), isRacy }
}

function hasRace({ tasks, state }: World): boolean {
  const next = tasks.map((task) => ({ thread: task.thread, position: state.positionOf(task) }))
  return next.some((one) =>
    next.some((other) => one.thread !== other.thread && isRace(one.position, other.position)),
  )
}

function isRace(one: Position | undefined, other: Position | undefined): boolean {
  if (one?.instruction?.isPlain !== true) return false
  return touchesOf(one).some((mine) => touchesOf(other).some((theirs) => isConflict(mine, theirs)))
}

function touchesOf(position: Position | undefined): readonly Access[] {
  const { a, b, c } = position?.request ?? { a: 0, b: 0, c: 0 }
  return position?.instruction?.touches(a, b, c) ?? []
}

function isConflict(mine: Access, theirs: Access): boolean {
  return mine.first < theirs.end && theirs.first < mine.end && (mine.writes || theirs.writes)
}

function outcomeOf({ cpu, ghost, isDead }: Snapshot, { words, threads }: Model): string {
  const memory = Array.from({ length: words }, (_, at) => cpu.load(at))
  const facts = Array.from(threads, (_, thread) => `${ghost[thread]}${isDead(thread) ? ' dead' : ''}`)
  return [...memory, ...facts].join()
}

/** Words 0 and 1 are accessed with order, 2 and 3 plainly; 4, 5, 6 are what each thread has seen. */
const PLAIN = 2
const SUMS = 4

/** Two or three threads of one or two operations of a few instructions each. Up to two may die, and are reaped. */
function randomModel(seed: number): Model {
  const random = generator(seed)
  const kills = random(3)
  return {
    name: `random ${seed}`,
    words: 7,
    threads: repeat(2 + random(2), () => repeat(1 + random(2), () => randomOperation(random))),
    kill: [0, 1].slice(0, kills),
    bounds: { kills },
    reaper: [
      ({ cpu }) => {
        cpu.store(0, cpu.load(1) + 3)
        if (seed % 3 === 0) cpu.plainStore(PLAIN, cpu.plainLoad(PLAIN + 1) + 1)
      },
    ],
  }
}

function randomOperation(random: (below: number) => number): Run {
  const steps = repeat(1 + random(3), () => randomStep(random))
  const endsInGhost = random(2) === 0
  return (thread) => {
    const sum = steps.reduce((seen, step) => seen * 5 + step(thread), 0)
    if (endsInGhost) thread.ghost((ghost) => (ghost[thread.index] = ghost[thread.index] * 7 + sum))
    else thread.cpu.add(SUMS + thread.index, sum)
  }
}

type Step = (thread: ModelThread) => number

function randomStep(random: (below: number) => number): Step {
  const at = random(2)
  const value = random(3)
  const steps: readonly Step[] = [
    ({ cpu }) => cpu.load(at),
    ({ cpu }) => (cpu.store(at, value), 0),
    ({ cpu }) => cpu.add(at, value),
    ({ cpu }) => cpu.compareExchange(at, value, value + 1),
    ({ cpu }) => (cpu.plainStore(PLAIN + at, value), 0),
    ({ cpu }) => cpu.plainLoad(PLAIN + at),
    ({ cpu }) => (cpu.load(at) === value ? (cpu.plainStore(PLAIN + at, value + 1), 1) : 0),
    ({ cpu }) => (cpu.load(at) === value ? cpu.plainLoad(PLAIN + at) : 7),
    ({ cpu }) => (cpu.copy(4 * (PLAIN + at), 4 * (PLAIN + 1 - at), 4), 0),
    (thread) => (thread.sleep(at, value, 10) ? 1 : 2),
    (thread) => (thread.ring(at), 0),
    (thread) => thread.choose(2),
  ]
  return steps[random(steps.length)]
}

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}

/** Numbers below a bound, the same for the same seed (a 32-bit mixer over a counter). */
function generator(seed: number): (below: number) => number {
  let state = Math.imul(seed, 0x9e3779b1)
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
