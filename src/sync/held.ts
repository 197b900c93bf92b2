/**
 * The held list: which locks a thread holds or is about to take, for the reaper to find.
 *
 *   slot.held   ┌────┬────┬────┬─────┬────┐     slot.heldOverflow ──► mutex ──next──► mutex ──next──► 0
 *               │ at │ at │ at │ ... │ at │
 *               └────┴────┴────┴─────┴────┘
 *                 0 .. held-1       last entry: the one being taken or released while the list is full
 *
 * After Linux's robust futex list (Documentation/locking/robust-futex-ABI.rst): the entry is written BEFORE the lock is
 * taken and stays until after it is released, so a death between any two instructions leaves it in. The reaper trusts no
 * entry: it asks the lock word who owns it. An entry is cleared as soon as its lock is released, since the lock may be
 * destroyed then, and its words be data.
 *
 * All stores are notes (slot.ts): plain, by the owner, read only after its death. That makes robustness nearly free.
 *
 * Invariants
 *  1. A lock whose word holds a thread's id is in that thread's list or chain.
 *  2. Only locks that the thread owns are in its chain, for `next` belongs to the owner.
 *  3. The list has no gaps: the first 0 ends it.
 */

import type { Cpu } from '../host/cpu.ts'
import { HELD_CAPACITY, ThreadSlot } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'

const { held, heldOverflow } = ThreadSlot
/** Entries before the last; while fewer locks are held, the list alone holds them. */
export const HELD_LAST = HELD_CAPACITY - 1
const LAST = HELD_LAST

/** Offset of the list in a thread's slot, for the fast paths. */
export const heldList = ThreadSlot.held

/** Notes a lock before it is taken. `next` is the offset of the chain word in the lock. */
export function noteHeld(thread: Thread, at: number): void {
  const count = thread.held++
  thread.cpu.plainStore(thread.at + held + (count < LAST ? count : LAST), at)
}

/** After the lock was taken: links it into the chain if the list is full. */
export function linkHeld(thread: Thread, at: number, next: number): void {
  if (thread.held <= LAST) return
  const { cpu } = thread
  cpu.plainStore(at + next, cpu.plainLoad(thread.at + heldOverflow))
  cpu.plainStore(thread.at + heldOverflow, at)
}

/** Takes back noteHeld: the lock was not taken after all. It is the newest entry. */
export function forgetHeld(thread: Thread): void {
  const count = --thread.held
  thread.cpu.plainStore(thread.at + held + (count < LAST ? count : LAST), 0)
}

/** Before the lock is released: a lock from the chain becomes the noted last entry, and leaves the chain. */
export function unlinkHeld(thread: Thread, at: number, next: number): void {
  if (thread.held <= LAST) return
  const { cpu } = thread
  let link = thread.at + heldOverflow
  for (let lock = cpu.plainLoad(link); lock !== 0; lock = cpu.plainLoad(link)) {
    if (lock === at) {
      cpu.plainStore(thread.at + held + LAST, at)
      cpu.plainStore(link, cpu.plainLoad(at + next))
      return
    }
    link = lock + next
  }
}

/** After the lock was released: its entry goes, and the list stays dense and ends in zeroes. */
export function dropHeld(thread: Thread, at: number, next: number): void {
  const { cpu } = thread
  const count = --thread.held
  const newest = thread.at + held + (count < LAST ? count : LAST)
  if (cpu.plainLoad(newest) !== at) dropOlder(thread, at, next)
  cpu.plainStore(newest, 0)
}

/** The entry is not the newest: the newest takes its place, written there first. `thread.held` is already the lower count. */
function dropOlder(thread: Thread, at: number, next: number): void {
  const { cpu } = thread
  const list = thread.at + held
  const isFull = thread.held >= LAST
  let i = (isFull ? LAST : thread.held) - 1
  while (i >= 0 && cpu.plainLoad(list + i) !== at) i--
  if (i < 0) return
  const newest = isFull ? cpu.plainLoad(thread.at + heldOverflow) : cpu.plainLoad(list + thread.held)
  cpu.plainStore(list + i, newest)
  if (isFull) cpu.plainStore(thread.at + heldOverflow, cpu.plainLoad(newest + next))
}

/** Every lock that the thread in a slot may hold. For the reaper; entries may be stale, and may repeat. */
export function* heldBy(cpu: Cpu, slot: number, next: number): Generator<number> {
  for (let i = 0; i < HELD_CAPACITY; i++) {
    const at = cpu.plainLoad(slot + held + i)
    if (at === 0) break
    yield at
  }
  let at = cpu.plainLoad(slot + heldOverflow)
  while (at !== 0) {
    const after = cpu.plainLoad(at + next)
    yield at
    at = after
  }
}

/** Empties the list of a dead thread, for the next owner of its slot. */
export function clearHeld(cpu: Cpu, slot: number): void {
  cpu.plainStore(slot + heldOverflow, 0)
  for (let i = 0; i < HELD_CAPACITY && cpu.plainLoad(slot + held + i) !== 0; i++)
    cpu.plainStore(slot + held + i, 0)
}
