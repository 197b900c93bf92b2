/**
 * Thread slots: what the others need of a thread when it is gone.
 *
 *   word  0     state          generation << 3 | FREE, CLAIMED, RUNNING, DEAD or REAPING      everybody, by CAS
 *         1     claimedAt      when it was claimed, or last wanted                            the claimer
 *         2     threadId       Node's worker_threads.threadId                                 the claimer
 *         3     port           which private port the supervisor listens to: NO_PORT ...      the supervisor
 *         4     nameBytes      length of the name that follows, UTF-8                         the claimer
 *        32     park           doorbell of the one blocked wait                               the thread and its wakers
 *        64     bell           doorbell of all asynchronous waits                             the thread and its wakers
 *        96     inKernel       odd while the thread walks structures of others                the thread
 *        97     records        chunks of asynchronous wait records: chained                   the thread (note)
 *        98     reads          1 once the thread has read anything (sync/readers.ts)          the thread (note)
 *        99     leaving        the counted read lock that it is leaving, or 0                 the thread (note)
 *       100     ledger         what it holds and waits for, if locks are watched: chained    the thread (note)
 *       101     admitted       the read lock that it got while it was about to queue, or 0    the thread (note)
 *       128     record         the static WaitRecord of the blocked wait
 *       160     magazine       pfns, count first                                              the thread
 *       192     counters       sixteen float64 counters (counters.ts)                         the thread
 *       224     readers        what it reads now (sync/readers.ts)                             the thread
 *
 * A *note* is a plain store that nobody reads while its writer lives. The reaper reads it after the death, which it was
 * told of by the host, so the stores have arrived.
 *
 *   state     owner                       leaves to
 *   FREE      nobody                      CLAIMED  (a thread attaches)
 *   CLAIMED   owns nothing yet            RUNNING  (the supervisor listens for its death), FREE (the thread has given up;
 *                                         or has said nothing for 10 s, and somebody else claims it)
 *   RUNNING   its thread                  DEAD     (the supervisor heard of its death)
 *   DEAD      nobody                      REAPING  (the reaper starts)
 *   REAPING   the reaper                  FREE     (everything it held has returned)
 *
 * Invariants
 *  1. Each change of state is one compareExchange on the whole word, so a slot is never changed for a wrong generation.
 *  2. The generation grows by one with each CLAIMED; a slot whose generation is used up is never claimed again.
 *  3. A thread takes no lock and no frame before its slot is RUNNING.
 */

import type { Cpu } from '../host/cpu.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'

export const ThreadSlot = layout('ThreadSlot', 1024, {
  state: i32,
  claimedAt: i32,
  threadId: i32,
  port: i32,
  nameBytes: i32,
  name: words(16),
  _park: newLine,
  park: i32,
  _bell: newLine,
  bell: i32,
  _notes: newLine,
  inKernel: i32,
  records: i32,
  reads: i32,
  leaving: i32,
  ledger: i32,
  admitted: i32,
  _record: newLine,
  record: words(16),
  _magazine: newLine,
  magazine: words(32),
  _counters: newLine,
  counters: words(32),
  _readers: newLine,
  readers: words(32),
})

const {
  state,
  claimedAt,
  threadId,
  port,
  inKernel,
  records,
  reads,
  leaving,
  ledger,
  admitted,
  park,
  bell,
  sizeof,
} = ThreadSlot

export const SLOT_COUNT = 256

/** The maker of a memory is slot 0, its supervisor slot 1; the others claim. */
export const MAKER_SLOT = 0
export const SUPERVISOR_SLOT = 1
const FIRST_CLAIMABLE = 2

export const FREE = 0
export const CLAIMED = 1
export const RUNNING = 2
export const DEAD = 3
export const REAPING = 4
const STATE_BITS = 3
const STATE_MASK = 7

/** 22 bits; the last value stands in ENOTRECOVERABLE lock words and is never a thread's. */
const LAST_GENERATION = 0x3ffffe
const CLAIM_LASTS_MS = 10_000

/**
 * The word `port`, in the memory by which a thread was introduced: its own port; or one that main made, of which the
 * thread gets its end when its event loop turns.
 */
export const NO_PORT = 0
export const OWN_PORT = 1
export const MAINS_PORT = 2

/** The doorbell words of a blocked wait and of all asynchronous waits hold one of these. */
export const AWAKE = 0
export const ASLEEP = 1
export const RUNG = 2

export function tidOf(index: number, generation: number): number {
  return (generation << 8) | index
}

export function slotIndexOf(tid: number): number {
  return tid & 0xff
}

/** Word index of the slot that a thread id belongs to; `slotsAt` is the first slot's. */
export function slotOf(slotsAt: number, tid: number): number {
  return slotsAt + slotIndexOf(tid) * sizeof
}

export function stateOf(word: number): number {
  return word & STATE_MASK
}

/** The thread id that a state word stands for. */
export function tidOfState(index: number, word: number): number {
  return tidOf(index, word >>> STATE_BITS)
}

function stateWord(tid: number, to: number): number {
  return ((tid >>> 8) << STATE_BITS) | to
}

/** True while the thread is in the given state, and its slot is still its own. */
export function isInState(cpu: Cpu, slotsAt: number, tid: number, wanted: number): boolean {
  return cpu.load(slotOf(slotsAt, tid) + state) === stateWord(tid, wanted)
}

/** Moves a thread's slot from one state to the next. False if it was not in `from` for this generation (any more). */
export function moveState(cpu: Cpu, slotsAt: number, tid: number, from: number, to: number): boolean {
  const at = slotOf(slotsAt, tid) + state
  return cpu.compareExchange(at, stateWord(tid, from), stateWord(tid, to)) === stateWord(tid, from)
}

/** Claims a free slot, or one whose claimer has said nothing for 10 s. Returns the new thread's id, or 0 when all are taken. */
export function claimSlot(cpu: Cpu, slotsAt: number, nodeThreadId: number, now: number): number {
  for (let index = FIRST_CLAIMABLE; index < SLOT_COUNT; index++) {
    const at = slotsAt + index * sizeof
    const seen = cpu.load(at + state)
    const stale = stateOf(seen) === CLAIMED && ((now - cpu.load(at + claimedAt)) | 0) > CLAIM_LASTS_MS
    if ((stateOf(seen) === FREE || stale) && claimAt(cpu, at, index, seen, nodeThreadId, now)) {
      return tidOf(index, (seen >>> STATE_BITS) + 1)
    }
  }
  return 0
}

/** A thread that still waits to be let in says so. False if its claim has lapsed, or was granted. */
export function renewClaim(cpu: Cpu, slotsAt: number, tid: number, now: number): boolean {
  if (!isInState(cpu, slotsAt, tid, CLAIMED)) return false
  cpu.store(slotOf(slotsAt, tid) + claimedAt, now)
  return true
}

/** A thread will not wait any longer. False if it need not: its claim was granted at the last moment. */
export function giveUpClaim(cpu: Cpu, slotsAt: number, tid: number): boolean {
  return moveState(cpu, slotsAt, tid, CLAIMED, FREE) || !isInState(cpu, slotsAt, tid, RUNNING)
}

/** The supervisor lets a thread run, whose port it listens to. False if nobody claims that any more. */
export function grantClaim(cpu: Cpu, slotsAt: number, tid: number, itsPort: number): boolean {
  if (!isInState(cpu, slotsAt, tid, CLAIMED)) return false
  // If the claim is given up now, this is the word of whoever claims the slot next: its own grant writes it again.
  cpu.store(slotOf(slotsAt, tid) + port, itsPort)
  return moveState(cpu, slotsAt, tid, CLAIMED, RUNNING)
}

/** Claims the one slot that is kept for a purpose: the maker's or the supervisor's. */
export function claimReserved(
  cpu: Cpu,
  slotsAt: number,
  index: number,
  nodeThreadId: number,
  now: number,
): number {
  const at = slotsAt + index * sizeof
  const seen = cpu.load(at + state)
  if (stateOf(seen) !== FREE || !claimAt(cpu, at, index, seen, nodeThreadId, now)) return 0
  return tidOf(index, (seen >>> STATE_BITS) + 1)
}

function claimAt(
  cpu: Cpu,
  at: number,
  index: number,
  seen: number,
  nodeThreadId: number,
  now: number,
): boolean {
  const generation = (seen >>> STATE_BITS) + 1
  if (generation > LAST_GENERATION) return false
  const claimed = stateWord(tidOf(index, generation), CLAIMED)
  if (cpu.compareExchange(at + state, seen, claimed) !== seen) return false
  cpu.store(at + claimedAt, now)
  cpu.store(at + threadId, nodeThreadId)
  cpu.store(at + port, NO_PORT)
  for (const note of [inKernel, records, reads, leaving, ledger, admitted, park, bell])
    cpu.store(at + note, 0)
  return true
}
