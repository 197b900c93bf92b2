/** Names, as they ship, under every interleaving: one thread makes, the others wait, and a death leaves the name free. */

import { expect, test } from 'vitest'
import type { Attachment } from '../../src/memory/attachment.ts'
import { hasObject, linkLocked, NameEntry, objectEntry, withDirectory } from '../../src/memory/directory.ts'
import { findOrMake, repairNames, type Makeable } from '../../src/memory/naming.ts'
import { Superblock } from '../../src/memory/superblock.ts'
import { Bucket, Lot, WaitRecord } from '../../src/sync/lot.ts'
import { OWNER_MASK, releaseDead } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { explore } from '../../src/testing/explore.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { formatReport } from '../../src/testing/report.ts'
import { MustNotBlock } from '../../src/threads/live-thread.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { EDEADLK, ErrnoError } from '../../src/words/errno.ts'

/** Cells as slab.ts has them: ENTRIES of NameEntry, then OBJECTS of a header and no more. */
const ENTRIES = 3
const OBJECTS = 3
const OBJECT = 4
const ANY_OBJECT = 77

/** Ghost words: who makes 'a' and 'b' now; how many objects were made; how many were refused; what each thread got. */
const MAKING = 0
const MADE = 2
const REFUSED = 3
const GOT = 4

interface World {
  readonly base: Pick<Model, 'words' | 'slotsAt' | 'notes' | 'hints' | 'label'>
  readonly entriesAt: number
  readonly objectsAt: number
  attachment(thread: ModelThread): Attachment
}

function namesWorld(threads: number): World {
  const slots = threads + 1
  const slotsAt = Superblock.sizeof
  const bucketsAt = slotsAt + slots * ThreadSlot.sizeof
  const generationAt = bucketsAt + Bucket.sizeof
  const entriesAt = generationAt + 32
  const objectsAt = entriesAt + ENTRIES * NameEntry.sizeof
  const geometry = { bucketsAt, bucketCount: 1, slotsAt, slotCount: slots, more: () => 0 }
  const isNote = (at: number) => {
    if (at >= bucketsAt && at < generationAt) return at !== bucketsAt + Bucket.lock
    if (at >= entriesAt && at < objectsAt) {
      const offset = (at - entriesAt) % NameEntry.sizeof
      return offset !== NameEntry.status && offset !== NameEntry.generation
    }
    if (at >= slotsAt && at < bucketsAt) {
      const inRecord = ((at - slotsAt) % ThreadSlot.sizeof) - ThreadSlot.record
      return inRecord > WaitRecord.state && inRecord < WaitRecord.sizeof
    }
    return at >= Superblock.heads && at < Superblock.sizeof
  }
  const cells = (first: number, count: number, size: number) =>
    Array.from({ length: count }, (_, i) => first + i * size)
  const ofKind = (signature: number) =>
    signature === NameEntry.signature
      ? cells(entriesAt, ENTRIES, NameEntry.sizeof)
      : cells(objectsAt, OBJECTS, OBJECT)

  return {
    entriesAt,
    objectsAt,
    base: {
      words: objectsAt + OBJECTS * OBJECT,
      slotsAt,
      notes: isNote,
      hints: (at) => at > Superblock.directory && at < Superblock.heads,
      label: (at) => {
        if (at === Superblock.directory) return 'directory'
        if (at === bucketsAt + Bucket.lock) return 'bucket.lock'
        if (at >= objectsAt)
          return (at - objectsAt) % OBJECT === 0 ? `object${(at - objectsAt) / OBJECT}` : undefined
        const [entry, offset] = [
          Math.floor((at - entriesAt) / NameEntry.sizeof),
          (at - entriesAt) % NameEntry.sizeof,
        ]
        return at >= entriesAt && offset === 0 ? `entry${entry}` : undefined
      },
    },
    attachment: (thread) => {
      const { cpu } = thread
      const frames = {
        allocCell: (signature: number) => {
          for (const at of ofKind(signature)) {
            if (cpu.load(at) !== 0 || cpu.compareExchange(at, 0, thread.tid) !== 0) continue
            cpu.store(at + 1, cpu.add(generationAt, 1) + 1)
            return at
          }
          thread.assert(false, 'there are cells enough')
          return 0
        },
        publishCell: (at: number) => {
          cpu.store(at, -cpu.load(at + 1))
        },
        freeCell: (at: number) => {
          thread.assert(cpu.load(at) === thread.tid, 'only the builder frees a cell')
          cpu.store(at + 1, 0)
          cpu.fill((at + 2) * 4, 0, (at >= objectsAt ? OBJECT - 2 : NameEntry.sizeof - 2) * 4)
          cpu.store(at, 0)
        },
        isLiveCell: (at: number) => cpu.load(at) < 0,
        *cellsOf(signature: number) {
          for (const at of ofKind(signature)) if (cpu.load(at) < 0) yield at
        },
        *unfinishedCellsOf(signature: number, tid: number) {
          for (const at of ofKind(signature)) if (cpu.load(at) === tid) yield at
        },
      }
      const attachment = { cpu, thread, lot: new Lot(thread, geometry), frames, making: 0, label: 'model' }
      return Object.assign(attachment, { threadName: String }) as unknown as Attachment
    },
  }
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

interface Wish {
  readonly name: string
  /** What is opened while the object is made, as by those who are asked for memory. */
  readonly within?: string
  readonly fails?: boolean
}

/** X.open(name). The object is one word: its cell. */
function opens(world: World, wish: Wish): Operation {
  return (thread) => {
    const attachment = world.attachment(thread)
    try {
      const got = open(attachment, thread, wish)
      thread.assert(thread.cpu.load(got) < 0, 'what was opened is live')
      thread.ghost((ghost) => (ghost[GOT + thread.index] = got))
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      thread.ghost((ghost) => ghost[REFUSED]++)
    }
  }
}

function open(attachment: Attachment, thread: ModelThread, { name, within, fails = false }: Wish): number {
  const wanted: Makeable<number> = {
    kind: 5,
    name,
    call: 'open()',
    found: (at) => at,
    make: () => {
      const making = name === 'a' ? MAKING : MAKING + 1
      const others = thread.ghost((ghost) => {
        const before = ghost[making]
        ghost[making] = thread.tid
        return before
      })
      thread.assert(others === 0, 'one thread makes')
      if (within !== undefined) {
        try {
          open(attachment, thread, { name: within })
        } catch (error) {
          if (!(error instanceof ErrnoError) || error.errno !== -EDEADLK) throw error
          thread.ghost((ghost) => ghost[REFUSED]++)
        }
      }
      const at = fails ? -12 : attachment.frames.allocCell(ANY_OBJECT, OBJECT)
      thread.ghost((ghost) => {
        if (at > 0) ghost[MADE]++
        return (ghost[making] = 0)
      })
      if (at < 0) throw new ErrnoError(at, 'open', 'there is no memory')
      return { at, made: at }
    },
  }
  return findOrMake(attachment, wanted)
}

function reaps(world: World, repair = repairNames) {
  return (thread: ModelThread, dead: number): void => {
    const attachment = world.attachment(thread)
    const { lot, frames, cpu } = attachment
    thread.ghost((ghost) => {
      for (const making of [MAKING, MAKING + 1]) if (ghost[making] === dead) ghost[making] = 0
      return 0
    })
    for (;;) {
      try {
        repairSync(lot, dead)
        releaseDead(lot, Superblock.directory, dead)
        repair(attachment, dead)
        break
      } catch (error) {
        if (!(error instanceof MustNotBlock)) throw error
        const holder = cpu.load(Superblock.directory)
        if ((holder & OWNER_MASK) !== 0) thread.awaitChange(Superblock.directory, holder) // it comes back
      }
    }
    for (const kind of [NameEntry.signature, ANY_OBJECT]) {
      for (const at of frames.unfinishedCellsOf(kind, dead)) {
        cpu.compareExchange(at, dead, thread.tid)
        frames.freeCell(at)
      }
    }
    lot.ringEverybody()
  }
}

interface Shape {
  readonly name: string
  readonly wishes: readonly (readonly Wish[])[]
  readonly kill?: readonly number[]
  readonly bounds?: Bounds
  readonly repair?: typeof repairNames
  readonly operations?: (world: World) => Model['threads']
  readonly final?: (state: Snapshot, bound: readonly number[]) => void
}

function search({ name, wishes, kill = [], bounds = { preemptions: 3 }, repair, operations, final }: Shape) {
  const world = namesWorld(wishes.length)
  const report = explore({
    name: `names, ${name}`,
    ...world.base,
    kill,
    bounds,
    threads: operations?.(world) ?? wishes.map((each) => each.map((wish) => opens(world, wish))),
    ...(kill.length === 0 ? {} : { reaper: [reaps(world, repair)] }),
    final: (state) => {
      const { cpu, assert } = state
      const bound: number[] = []
      for (let head: number = Superblock.heads; head < Superblock.sizeof; head++) {
        for (let entry = cpu.load(head); entry !== 0; entry = cpu.load(entry + NameEntry.next))
          bound.push(entry)
      }
      for (const entry of bound) {
        const at = cpu.load(entry + NameEntry.object)
        assert(cpu.load(entry) < 0, 'no name stays reserved')
        assert(cpu.load(at) < 0 && cpu.load(at + objectEntry) === entry, 'a bound name has its object')
      }
      const live = (first: number, count: number, size: number) =>
        Array.from({ length: count }, (_, i) => cpu.load(first + i * size)).filter((status) => status !== 0)
          .length
      assert(live(world.entriesAt, ENTRIES, NameEntry.sizeof) === bound.length, 'no entry leaks')
      assert(live(world.objectsAt, OBJECTS, OBJECT) === bound.length, 'no object leaks')
      final?.(state, bound)
    },
  })
  console.log(formatReport(report))
  return report.failures.map(({ message }) => message)
}

const one: Wish = { name: 'a' }

// ── tests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('two threads that open a new name get one object, made once', () => {
  const problems = search({
    name: 'two open one',
    wishes: [[one], [one]],
    final: ({ ghost, assert }) => {
      assert(ghost[MADE] === 1 && ghost[GOT] === ghost[GOT + 1], 'both have the one object')
    },
  })

  expect(problems).toEqual([])
})

test('if it cannot be made, who waited for it makes it', () => {
  const problems = search({
    name: 'one fails',
    wishes: [[{ ...one, fails: true }], [one]],
    final: ({ ghost, assert }, bound) => {
      assert(ghost[MADE] === 1 && ghost[GOT + 1] !== 0 && bound.length === 1, 'the other has made it')
    },
  })

  expect(problems).toEqual([])
})

test('a death between any two instructions leaves the name free or bound, leaks nothing, and lets nobody sleep', () => {
  const problems = search({
    name: 'two open one, one is killed',
    wishes: [[one], [one]],
    kill: [0],
    bounds: { preemptions: 2, states: 6_000_000 },
    final: ({ ghost, assert }, bound) => {
      assert(ghost[GOT + 1] !== 0 && bound.length === 1, 'the survivor has it')
    },
  })

  expect(problems).toEqual([])
}, 120_000)

test('threads that open, while they make, what the other makes do not wait for ever: one is refused', () => {
  const problems = search({
    name: 'a circle',
    wishes: [[{ name: 'a', within: 'b' }], [{ name: 'b', within: 'a' }]],
    final: ({ ghost, assert }, bound) => {
      assert(ghost[MADE] === 2 && bound.length === 2, 'both names are made')
      assert(ghost[REFUSED] <= 1, 'one at most is refused')
    },
  })

  expect(problems).toEqual([])
})

test('a death while an object is made within another leaves both names free or bound', () => {
  const problems = search({
    name: 'one within another, killed',
    wishes: [[{ name: 'a', within: 'b' }], [{ name: 'b' }]],
    kill: [0],
    bounds: { preemptions: 1, states: 6_000_000 },
    final: ({ ghost, assert }) => {
      assert(ghost[GOT + 1] !== 0, 'the survivor has what it wanted')
    },
  })

  expect(problems).toEqual([])
}, 120_000)

test('planted bugs are found: makers that do not see that they wait for each other', () => {
  const problems = search({
    name: 'a blind circle',
    wishes: [[one], [one]],
    operations: (world) => [
      [
        opens(
          { ...world, attachment: (thread) => blind(world.attachment(thread)) },
          { name: 'a', within: 'b' },
        ),
      ],
      [
        opens(
          { ...world, attachment: (thread) => blind(world.attachment(thread)) },
          { name: 'b', within: 'a' },
        ),
      ],
    ],
  })

  expect(problems.join()).toContain('waits for ever')
})

/** One that forgets what its thread is making. */
function blind(attachment: Attachment): Attachment {
  return Object.defineProperty(attachment, 'making', { get: () => 0, set: () => undefined })
}

test('planted bugs are found: a reaper that wakes nobody, or leaves the entry in its chain', () => {
  const killed = { wishes: [[one], [one]], kill: [0], bounds: { preemptions: 2 } }

  const silent = search({
    ...killed,
    name: 'silent reaper',
    repair: (attachment, dead) => {
      const { frames, cpu, thread } = attachment
      const mine = [...frames.unfinishedCellsOf(NameEntry.signature, dead)]
      for (const entry of mine) {
        if (cpu.load(entry + NameEntry.head) !== 0) cpu.store(cpu.load(entry + NameEntry.head), 0)
        if (hasObject(attachment, entry)) frames.publishCell(entry)
        else cpu.compareExchange(entry, dead, thread.tid)
      }
      for (const entry of mine) if (cpu.load(entry) === thread.tid) frames.freeCell(entry)
    },
  })
  const careless = search({ ...killed, name: 'careless reaper', repair: () => undefined })

  expect(silent).not.toEqual([])
  expect(careless).not.toEqual([])
}, 60_000)

test('planted bugs are found: a maker that reserves without looking again', () => {
  const problems = search({
    name: 'no second look',
    wishes: [[one], [one]],
    operations: (world) =>
      [0, 1].map(() => [
        (thread) => {
          const attachment = world.attachment(thread)
          const entry = attachment.frames.allocCell(NameEntry.signature, NameEntry.sizeof)
          thread.cpu.store(entry + NameEntry.head, Superblock.heads)
          withDirectory(attachment, () => {
            linkLocked(attachment, entry)
          })
          const at = attachment.frames.allocCell(ANY_OBJECT, OBJECT)
          thread.cpu.store(entry + NameEntry.object, at)
          thread.cpu.store(at + objectEntry, entry)
          attachment.frames.publishCell(at)
          attachment.frames.publishCell(entry)
          thread.ghost((ghost) => ++ghost[MADE])
        },
      ]),
    final: ({ ghost, assert }) => {
      assert(ghost[MADE] === 1, 'one is made')
    },
  })

  expect(problems.join()).toContain('one is made')
})
