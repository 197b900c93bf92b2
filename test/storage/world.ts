/**
 * A memory with shared objects, threads that take turns in this one, and processes that are no more than a few words each:
 *
 *   slot   0          32              33 ... 40                       41 ... 56
 *        ┌──────────┬───────────────┬───────────────────────────────┬──────────────────────────────┐
 *        │ TlbState │ descriptors   │ held: objects referred to     │ entries: pages of `held[0]`  │
 *        └──────────┴───────────────┴───────────────────────────────┴──────────────────────────────┘
 *
 * A thread can be killed before any of its writes: it throws there, and at each instruction that comes after.
 */

import { reserve } from '../../src/host/buffer.ts'
import { compileCpu, type Cpu } from '../../src/host/cpu.ts'
import { Attachment, attachReserved, claim, format, view } from '../../src/memory/attachment.ts'
import { reap, type KindRepair } from '../../src/memory/reaper.ts'
import { repairLinks } from '../../src/paging/link.ts'
import { Limbo, limboRepair } from '../../src/paging/limbo.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { processAt, type ProcessTable } from '../../src/paging/processes.ts'
import { isPresent, PRESENT, pteOf } from '../../src/paging/pte.ts'
import { storageProblems } from '../../src/storage/check.ts'
import { ObjectStore } from '../../src/storage/objects.ts'
import { storageRepairs } from '../../src/storage/repairs.ts'
import { LiveThread, NonBlockingThread } from '../../src/threads/live-thread.ts'
import { CLAIMED, moveState, RUNNING, SUPERVISOR_SLOT } from '../../src/threads/slot.ts'
import { MiB, PAGE_WORDS } from '../../src/words/constants.ts'

const SLOT_WORDS = 64
const PROCESSES = 4
export const DESCRIPTORS = TlbState.sizeof
const HELD = DESCRIPTORS + 1
const MOST_HELD = 8
const ENTRIES = HELD + MOST_HELD
const MOST_ENTRIES = 16

export class Killed extends Error {}

/**
 * A Cpu that throws before write number `left`, counted from now, and at each instruction from then on. (A death before a
 * load leaves what one before the next write does.)
 */
export class MortalCpu {
  left = Infinity
  isDead = false
  readonly cpu: Cpu

  constructor(cpu: Cpu) {
    const alive = <A extends unknown[], R>(instruction: (...args: A) => R) => {
      return (...args: A): R => {
        if (this.isDead) throw new Killed()
        return instruction(...args)
      }
    }
    const step = <A extends unknown[], R>(instruction: (...args: A) => R) =>
      alive((...args: A): R => {
        if (this.left-- <= 0) {
          this.isDead = true
          throw new Killed()
        }
        return instruction(...args)
      })
    this.cpu = {
      load: alive((at) => cpu.load(at)),
      store: step((at, value) => {
        cpu.store(at, value)
      }),
      add: step((at, value) => cpu.add(at, value)),
      sub: step((at, value) => cpu.sub(at, value)),
      and: step((at, mask) => cpu.and(at, mask)),
      or: step((at, mask) => cpu.or(at, mask)),
      xor: step((at, mask) => cpu.xor(at, mask)),
      exchange: step((at, value) => cpu.exchange(at, value)),
      compareExchange: step((at, expected, value) => cpu.compareExchange(at, expected, value)),
      storeLoad: step((at, value, other) => cpu.storeLoad(at, value, other)),
      guardedCompareExchange: step((guard, own, at, expected, value) =>
        cpu.guardedCompareExchange(guard, own, at, expected, value),
      ),
      guardedAddOne: step((guard, own, at) => cpu.guardedAddOne(guard, own, at)),
      guardedTakeOne: step((guard, own, at) => cpu.guardedTakeOne(guard, own, at)),
      guardedPairLoad: step((guard, own, at, expected, value, other) =>
        cpu.guardedPairLoad(guard, own, at, expected, value, other),
      ),
      plainLoad: alive((at) => cpu.plainLoad(at)),
      plainStore: step((at, value) => {
        cpu.plainStore(at, value)
      }),
      copy: step((to, from, length) => {
        cpu.copy(to, from, length)
      }),
      fill: step((at, value, length) => {
        cpu.fill(at, value, length)
      }),
      compare: alive((left, right, length) => cpu.compare(left, right, length)),
      spinWhileEqual: alive((at, value, turns) => cpu.spinWhileEqual(at, value, turns)),
    }
  }
}

export interface Member {
  readonly attachment: Attachment
  readonly objects: ObjectStore
  readonly processes: ProcessTable
  readonly limbo: Limbo
  readonly mortal: MortalCpu
  readonly tid: number
}

export type StorageWorld = ReturnType<typeof storageWorld>

export function storageWorld(options: { sizeMiB?: number } = {}) {
  const reserved = reserve((options.sizeMiB ?? 8) * MiB)
  if (reserved === undefined) throw new Error('no memory')
  const backing = reserved
  const module = compileCpu()
  format(backing, module, 'm9.9', 'storage', false)
  const { cpu } = view(backing, module, 'storage')

  let processes: ProcessTable = { firstAt: 0, stride: SLOT_WORDS, count: 0 }
  const heldAt = (process: number, i: number) => processAt(processes, process) + HELD + i
  const entryAt = (process: number, page: number) => processAt(processes, process) + ENTRIES + page

  function member(isSupervisor = false): Member {
    const seen = view(backing, module, 'storage')
    const mortal = new MortalCpu(seen.cpu)
    const mine = { ...seen, cpu: mortal.cpu }
    const { slot, tid } = isSupervisor
      ? attachReserved(seen, SUPERVISOR_SLOT, 'supervisor')
      : claim(seen, 'storage', '')
    if (!isSupervisor) moveState(seen.cpu, seen.map.slotsAt, tid, CLAIMED, RUNNING)
    const kind = isSupervisor ? NonBlockingThread : LiveThread
    const attachment = new Attachment('m9.9', 'storage', mine, new kind(mine.cpu, seen.words, slot, tid, 0))
    if (processes.count === 0) {
      const region = attachment.frames.allocRun(PROCESSES * SLOT_WORDS * 4)
      attachment.frames.own(region, 1)
      processes = { firstAt: region * PAGE_WORDS, stride: SLOT_WORDS, count: PROCESSES }
    }
    const limbo = new Limbo(attachment.frames, processes)
    const objects = new ObjectStore(attachment, limbo)
    objects.onCut((object, firstPage, volley) => {
      for (let process = 0; process < PROCESSES; process++) {
        if (mortal.cpu.load(heldAt(process, 0)) !== object) continue
        for (let page = firstPage; page < MOST_ENTRIES; page++) mortal.cpu.store(entryAt(process, page), 0)
        volley.shoot(process)
      }
    })
    objects.onCount((object) => {
      let count = 0
      for (let process = 0; process < PROCESSES; process++) {
        for (let i = 0; i < MOST_HELD; i++) if (mortal.cpu.load(heldAt(process, i)) === object) count++
      }
      return count
    })
    return { attachment, objects, processes, limbo, mortal, tid }
  }

  const first = member()
  const reaper = member(true)

  const self = {
    cpu,
    first,
    reaper,
    member: () => member(),
    processes,
    heldAt,
    entryAt,
    slotAt: (process: number) => processAt(processes, process),
    /** One more reference, from a process. */
    hold: ({ objects, mortal }: Member, object: number, process = 0): void => {
      objects.withLock(object, () => {
        let i = 0
        while (mortal.cpu.load(heldAt(process, i)) !== 0) i++
        objects.refLocked(object)
        mortal.cpu.store(heldAt(process, i), object)
      })
    },
    /** One less. */
    drop: ({ objects, mortal }: Member, object: number, process = 0): void => {
      objects.withLock(object, () => {
        let i = 0
        while (mortal.cpu.load(heldAt(process, i)) !== object) i++
        mortal.cpu.store(heldAt(process, i), 0)
        objects.unrefLocked(object)
      })
    },
    /** A new object, referred to by a process. */
    make: ({ objects, mortal }: Member, flags = 0, process = 0): number => {
      const at = objects.create({ flags, mode: 0o100600 })
      if (at < 0) throw new Error(`create: ${at}`)
      let i = 0
      while (mortal.cpu.load(heldAt(process, i)) !== 0) i++
      mortal.cpu.store(heldAt(process, i), at)
      objects.refLocked(at)
      objects.publish(at)
      return at
    },
    /** Page `page` of an object, made if need be. */
    page: ({ objects }: Member, object: number, page: number): number => {
      objects.frames.enterKernel()
      const pfn = objects.pageAt(object, page, true)
      objects.frames.leaveKernel()
      return pfn
    },
    /** As a fault would: maps the page of object `held[0]`. */
    map: (process: number, page: number, pfn: number): void => {
      cpu.store(entryAt(process, page), pteOf(pfn, PRESENT))
    },
    isMapped: (process: number, page: number): boolean => isPresent(cpu.load(entryAt(process, page))),
    /** The supervisor hears of the death. `more`: what the floors above do. */
    reap: ({ tid }: Member, more?: (dead: number) => void): void => {
      const repairs: readonly KindRepair[] = [
        limboRepair(() => reaper.limbo),
        ...storageRepairs(() => reaper.objects),
      ]
      reap(reaper.attachment, tid, repairs, {
        first: (_, dead) => {
          repairLinks(reaper.attachment.frames, dead)
        },
        last: (_, dead) => more?.(dead),
      })
    },
    /** Everything that waits is freed, as far as it can be. Bytes that are free then. */
    settle: (...members: readonly Member[]): number => {
      for (const { limbo, attachment, mortal } of [first, reaper, ...members]) {
        if (mortal.isDead) continue
        limbo.drain(true)
        attachment.frames.detach()
      }
      return first.attachment.frames.freeBytes()
    },
    problems: (): readonly string[] => [
      ...storageProblems(first.objects),
      ...first.attachment.frames.check(),
    ],
  }
  // Slabs that were made stay: of objects, batches and the like.
  const warm = self.make(first)
  first.objects.resize(warm, 4096)
  self.page(first, warm, 0)
  self.drop(first, warm)
  self.settle()
  return self
}
