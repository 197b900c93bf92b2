/**
 * A small memory for the models of names, and what threads do in it.
 *
 *   words   0            slotsAt           bucketsAt            entriesAt      objectsAt
 *          ┌────────────┬─────────────────┬──────────┬─────────┬──────────────┬──────────┐
 *          │ Superblock │ slots, + reaper │ 1 bucket │ counter │ NameEntry x3 │ object x3│
 *          └────────────┴─────────────────┴──────────┴─────────┴──────────────┴──────────┘
 *
 * Cells are claimed, published and freed as in slab.ts, but for the slabs. What the directory's lock or the bucket's
 * protects is declared as notes.
 */

import type { Attachment } from '../../src/memory/attachment.ts'
import { NameEntry, objectEntry } from '../../src/memory/directory.ts'
import { findOrMake, repairNames, type Makeable } from '../../src/memory/naming.ts'
import { Superblock } from '../../src/memory/superblock.ts'
import { Lot } from '../../src/sync/lot.ts'
import { Bucket, WaitRecord } from '../../src/sync/wait-record.ts'
import { OWNER_MASK, releaseDead } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { MustNotBlock } from '../../src/threads/live-thread.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { EDEADLK, ErrnoError } from '../../src/words/errno.ts'

/** Cells as slab.ts has them: ENTRIES of NameEntry, then OBJECTS of a header and no more. */
const ENTRIES = 3
const OBJECTS = 3
export const OBJECT = 4
export const ANY_OBJECT = 77

/** Ghost words: who makes 'a' and 'b' now; how many objects were made; how many were refused; what each thread got. */
const MAKING = 0
export const MADE = 2
export const REFUSED = 3
export const GOT = 4

export interface World {
  readonly base: Pick<Model, 'words' | 'slotsAt' | 'notes' | 'hints' | 'label'>
  readonly entries: readonly number[]
  readonly objects: readonly number[]
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
  const entries = cells(entriesAt, ENTRIES, NameEntry.sizeof)
  const objects = cells(objectsAt, OBJECTS, OBJECT)
  const ofKind = (signature: number) => (signature === NameEntry.signature ? entries : objects)

  return {
    entries,
    objects,
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
      const waiting = <T>(_describe: () => string, wait: () => T): T => wait()
      return Object.assign(attachment, { threadName: String, waiting }) as unknown as Attachment
    },
  }
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Wish {
  readonly name: string
  /** What is opened while the object is made, as by those who are asked for memory. */
  readonly within?: string
  readonly fails?: boolean
}

/** X.open(name). The object is one word: its cell. */
export function opens(world: World, wish: Wish): Operation {
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

export interface Shape {
  readonly name: string
  readonly wishes: readonly (readonly Wish[])[]
  readonly kill?: readonly number[]
  readonly bounds?: Bounds
  readonly repair?: typeof repairNames
  readonly operations?: (world: World) => Model['threads']
  readonly final?: (state: Snapshot, bound: readonly number[]) => void
}

/** The model: each thread opens what it wishes; in the end no name is reserved, and nothing is there but what has a name. */
export function namesModel({ name, wishes, kill = [], bounds, repair, operations, final }: Shape): Model {
  const world = namesWorld(wishes.length)
  return {
    name: `names, ${name}`,
    ...world.base,
    kill,
    bounds: bounds ?? { preemptions: 3 },
    threads: operations?.(world) ?? wishes.map((each) => each.map((wish) => opens(world, wish))),
    ...(kill.length === 0 ? {} : { reaper: [reaps(world, repair)] }),
    final: (state) => {
      const bound = boundEntries(state)
      assertWhole(world, state, bound)
      final?.(state, bound)
    },
  }
}

function boundEntries({ cpu }: Snapshot): number[] {
  const bound: number[] = []
  for (let head: number = Superblock.heads; head < Superblock.sizeof; head++) {
    for (let entry = cpu.load(head); entry !== 0; entry = cpu.load(entry + NameEntry.next)) bound.push(entry)
  }
  return bound
}

function assertWhole(world: World, { cpu, assert }: Snapshot, bound: readonly number[]): void {
  for (const entry of bound) {
    const at = cpu.load(entry + NameEntry.object)
    assert(cpu.load(entry) < 0, 'no name stays reserved')
    assert(cpu.load(at) < 0 && cpu.load(at + objectEntry) === entry, 'a bound name has its object')
  }
  const used = (cells: readonly number[]) => cells.filter((at) => cpu.load(at) !== 0).length
  assert(used(world.entries) === bound.length, 'no entry leaks')
  assert(used(world.objects) === bound.length, 'no object leaks')
}
