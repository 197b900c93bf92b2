/**
 * Presence: whether a thread may hold translations, and under which generation it took them.
 *
 *   TlbState       0       1       2        3          one line a process slot
 *                ┌───────┬───────┬────────┬─────┐
 *                │ gen   │ ack   │ online │ tid │
 *                └───────┴───────┴────────┴─────┘
 *   gen      even; a shooter adds 2 after it has changed an entry that the process may have translated     shooters
 *   ack      the generation up to which the thread has given up old translations                           the thread
 *   online   1 while it may hold translations at all                                                        the thread
 *   tid      the thread that runs the process, 0 before and after: then nobody translates     the thread, the reaper
 *
 * The thread keeps `seen`: the generation that its TLB was filled under, or OFFLINE, which is odd. Each access compares
 * seen with gen, by a plain load: a hint. What is safe rests on the other side: a shooter reuses a frame only when ack has
 * reached its generation, or online is 0.
 *
 *   thread                                          shooter
 *   online = 1 ─► load gen ─► (clear) ─► ack        change the entry ─► gen += 2 ─► load online, ack
 *
 * Dekker: either the thread loads the new generation, or the shooter finds it online and waits for its ack. So gen is
 * loaded after online is stored, never before.
 *
 * A run is what JavaScript runs before its microtasks: it ends by a microtask, which takes the thread offline. A later
 * microtask simply comes online again. Before a thread blocks, sleeps or does I/O it goes offline too.
 *
 * Invariants
 *  1. While seen is even, online is 1.
 *  2. ack is stored after the TLB was cleared of what older generations filled, and after all accesses through it.
 *  3. A translation in a local variable is void after sync() or goOffline(): whoever may have blocked looks it up again.
 */

import type { Cpu } from '../host/cpu.ts'
import { ErrnoError, ESRCH } from '../words/errno.ts'
import { i32, layout, newLine } from '../words/layout.ts'
import type { Tlb } from './tlb.ts'

export const TlbState = layout('TlbState', 128, { gen: i32, ack: i32, online: i32, tid: i32, _end: newLine })

const { gen, ack, online } = TlbState

export const OFFLINE = 1

/** Calls back when the run that JavaScript is in has ended. */
export type AtEndOfRun = (endRun: () => void) => void

const RESOLVED = Promise.resolve()

/** By a microtask. */
export const atEndOfRun: AtEndOfRun = (endRun) => {
  void RESOLVED.then(endRun)
}

export class Presence {
  /** What gen is compared with on each access. */
  seen = OFFLINE
  /** How often sync() has run: whoever finds it changed looks its translations up again. */
  syncs = 0
  /** Called at each sync(), with nothing translated: whoever shoots can make the thread look at something. It may throw. */
  atSafepoint: (() => void) | undefined
  /** Word index of gen. */
  declare readonly genAt: number

  declare private readonly cpu: Cpu
  declare private readonly at: number
  declare private readonly tlb: Tlb
  declare private readonly atEndOfRun: AtEndOfRun
  private filledUnder = 0
  /** endRun() will come. Apart from `seen`, for a thread goes on- and offline several times in a run. */
  private isArmed = false
  private isRetired = false

  constructor(cpu: Cpu, at: number, tlb: Tlb, whenRunEnds: AtEndOfRun) {
    this.cpu = cpu
    this.at = at
    this.genAt = at + gen
    this.tlb = tlb
    this.atEndOfRun = whenRunEnds
  }

  /** gen is not `seen`: comes online, or gives up what was translated before. */
  sync(): void {
    const { cpu, at } = this
    if (this.isRetired) throw new ErrnoError(ESRCH, 'access', 'this process has ended: its memory is gone')
    if (this.seen === OFFLINE) {
      // One half of Dekker; pairs with the loads of whoever shoots. Then the generation, not before.
      cpu.store(at + online, 1)
      this.arm()
    }
    const now = cpu.load(at + gen)
    if (now !== this.filledUnder) {
      this.tlb.clear()
      this.filledUnder = now
    }
    this.seen = now
    this.syncs++
    // Release: what was stored through old translations is there for whoever sees this.
    cpu.store(at + ack, now)
    this.atSafepoint?.()
  }

  /** Before the thread blocks, sleeps, does I/O, or returns to its event loop. */
  goOffline(): void {
    if (this.seen === OFFLINE) return
    this.seen = OFFLINE
    // Release: as the store of ack.
    this.cpu.store(this.at + online, 0)
  }

  /** The process ends: offline for ever, and whatever looks for memory throws ESRCH. */
  retire(): void {
    this.goOffline()
    this.isRetired = true
  }

  private arm(): void {
    if (this.isArmed) return
    this.isArmed = true
    this.atEndOfRun(() => {
      this.isArmed = false
      this.goOffline()
    })
  }
}
