/**
 * Process slots, and the header before them: one Region of the machine's memory, named MACHINE_REGION.
 *
 *   ┌───────────────┬──────────────┬──────────────┬─ ... ─┐
 *   │ MachineHeader │ ProcessSlot 0│ ProcessSlot 1│       │  PROCESS_COUNT slots
 *   └───────────────┴──────────────┴──────────────┴─ ... ─┘
 *
 *   ProcessSlot   space        SpaceState: TlbState, page table root, counters        paging, space
 *                 descriptors  pfn of the frame of descriptors (ipc/descriptors.ts)   the process
 *                 state        pid << 3 | FREE ... ZOMBIE                             everybody, by compareExchange
 *                 parent       pid of the parent
 *                 thread       tid of the thread that makes or runs it, for the reaper; 0: the slot is nobody's
 *                 threadId     Node's threadId of its worker, or -1
 *                 ended        RawSemaphore: permits for everybody once it is a ZOMBIE
 *                 code         exit status: 0 ... 255, or -1
 *                 signal       number of the signal that ended it, or 0
 *                 asked        number of the signal that kill() asks for, or 0
 *                 held         pfn of the list of robust mutexes that it holds (sync/held-mutexes.ts)
 *                 name
 *
 *   state     what it is                                          leaves to
 *   FREE      nothing                                             EMBRYO   (claimed by the parent: 0 -> tid in `thread`)
 *   EMBRYO    being made: `thread` is the parent's, and the       RUNNING  (its worker binds), ZOMBIE (it never started)
 *             supervisor's once that has taken the order
 *   RUNNING   `thread` runs it                                    EXITED   (the thread's death is known)
 *   EXITED    dead; `thread` is the supervisor's                  ZOMBIE   (all is back, its worker's 'exit' was heard)
 *   ZOMBIE    only its status is left                             FREE     (waited for, or the table is full)
 *
 * Invariants
 *  1. A slot is claimed by the compareExchange of `thread` from 0, and given up by the store of 0, which comes last.
 *  2. `state` is changed by the thread in `thread`, or by the supervisor once that is dead; ZOMBIE -> FREE by the parent, or
 *     by the supervisor once that is dead. A pid is given out once.
 *  3. code and signal are final when `ended` has permits, and stay until the slot is FREE.
 */

import { SpaceState } from '../space/space-state.ts'
import { PROCESS_COUNT } from '../paging/processes.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'

export const MACHINE_REGION = 'pageframe machine'

export const MachineHeader = layout('MachineHeader', 128, {
  /** Signatures of all layouts above `memory`, so that differently built copies refuse each other. */
  builtWith: i32,
  /** 0 lp64, 1 ilp32. */
  layout: i32,
  zeroFrame: i32,
  nextPid: i32,
  /** RawMutex: the name space of POSIX shared memory. */
  shmNames: words(4),
  seed: i32,
  bootedAt: i32,
  _end: newLine,
})

export const ProcessSlot = layout('ProcessSlot', 384, {
  space: words(SpaceState.sizeof),
  descriptors: i32,
  state: i32,
  parent: i32,
  thread: i32,
  threadId: i32,
  ended: words(4),
  code: i32,
  signal: i32,
  asked: i32,
  held: i32,
  nameBytes: i32,
  name: words(16),
  _end: newLine,
})

export const REGION_WORDS = MachineHeader.sizeof + PROCESS_COUNT * ProcessSlot.sizeof

export const FREE = 0
export const EMBRYO = 1
export const RUNNING = 2
export const EXITED = 3
export const ZOMBIE = 4
