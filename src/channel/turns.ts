/**
 * Turns: the asynchronous waits of one side of a channel, first come first served.
 *
 *   pending   [ first, second, third ]      each has a wait record in the lot, a time-out and a signal of its own
 *
 * A wake-up wakes the first, and only the first may take: another, if it is woken, says BUSY and waits on, without a look
 * at the word. Whoever leaves the row wakes the next. So a small record never overtakes a large one that waits for room, and
 * a wait that is aborted holds up nobody. While a loan is out or a message held nobody may take; its end wakes the first too.
 *
 * What is waited for is taken in the step that ends the wait (`use` of room() and record()): between that step and the
 * code behind `await` other code of this thread runs, and might send or receive as well.
 */

import type { AsyncOptions, AsyncWaits } from '../memory/async-waits.ts'
import type { Guard } from '../sync/guard.ts'
import type { Lot } from '../sync/lot.ts'
import { abandon, begin, BUSY, onBell, PENDING, type Waitable } from '../sync/wait.ts'
import { ECANCELED } from '../words/errno.ts'
import { wake } from './ring.ts'

export class Turns {
  /** How many of this thread wait. */
  count = 0

  declare private readonly lot: Lot
  declare private readonly waits: AsyncWaits
  declare private readonly word: number
  declare private readonly guard: () => Guard
  private readonly pending: Turn[] = []
  declare private readonly isFree: () => boolean

  /**
   * `word`: what is waited on, and `guard`: of what it belongs to. `isFree`: false while something that was taken is out; then
   * call next().
   */
  constructor(lot: Lot, waits: AsyncWaits, word: number, guard: () => Guard, isFree: () => boolean) {
    this.lot = lot
    this.waits = waits
    this.word = word
    this.guard = guard
    this.isFree = isFree
  }

  /** Waits for its turn and for `what`. Resolves with the answer of its take(), or -ETIMEDOUT, -ENOMEM, -ECANCELED. */
  wait(what: Waitable, timeoutMs: number, options: AsyncOptions): Promise<number> {
    const lot = this.lot
    const turn: Turn = new Turn(what, (): boolean => this.pending[0] === turn && this.isFree())
    const settled = (result: number): number => {
      if (result !== PENDING) this.leave(turn)
      return result
    }
    return this.waits.wait(
      {
        begin: (record) => {
          turn.record = record
          this.count = this.pending.push(turn)
          return settled(begin(lot, turn, this.word, record))
        },
        onBell: (record) => settled(onBell(lot, turn, this.word, record)),
        abandon: (record, outcome) => {
          abandon(lot, turn, this.word, record, outcome)
          this.leave(turn)
        },
      },
      timeoutMs,
      options,
      this.guard(),
    )
  }

  /** This thread gives its role back: nothing is for those who wait any more. */
  cancel(): void {
    for (const { record } of [...this.pending]) this.waits.cancel(record, -ECANCELED)
  }

  private leave(turn: Turn): void {
    if (this.pending[0] === turn) this.pending.shift()
    else this.pending.splice(this.pending.indexOf(turn), 1)
    this.count = this.pending.length
    this.next()
  }

  /** Something was taken, or is over: the first looks again. */
  next(): void {
    if (this.count !== 0) wake(this.lot, this.word)
  }
}

class Turn implements Waitable {
  /** Its wait record. */
  record = 0
  declare readonly purpose: number
  declare private readonly what: Waitable
  declare private readonly mayTake: () => boolean

  constructor(what: Waitable, mayTake: () => boolean) {
    this.purpose = what.purpose
    this.what = what
    this.mayTake = mayTake
  }

  take(lot: Lot, at: number): number {
    return this.mayTake() ? this.what.take(lot, at) : BUSY
  }

  announce(lot: Lot, at: number): boolean {
    return this.mayTake() ? this.what.announce(lot, at) : true
  }

  accept(): number {
    return BUSY
  }

  passOn(lot: Lot, at: number): void {
    this.what.passOn(lot, at)
  }
}
