/** The calls on futexes: futex(2) and futex_waitv(2), an operation each. */

import { ANY } from '../../sync/wait-record.ts'
import { checked } from '../../words/errno.ts'
import { assertOptions, typeError } from '../../words/usage.ts'
import { FOR_EVER, toInt, toNumber, toUntil, type TimeBase, type Timeout, type Until } from '../arguments.ts'
import { requeueAt, waitAt, waitAtAny, wakeAt, wakeOpAt, type WakeOperation } from './futex.ts'
import { PthreadCalls } from './pthread-calls.ts'

export interface FutexOptions {
  /** FUTEX_PRIVATE_FLAG: of this process alone, even in shared memory. False if absent. */
  readonly private?: boolean
}

export interface FutexWaitOptions extends FutexOptions {
  /** How long: milliseconds from now, or { sec, nsec }, see the call. For ever if absent. */
  readonly timeout?: Timeout
}

export interface FutexBitsetOptions extends FutexWaitOptions {
  /** FUTEX_CLOCK_REALTIME: { sec, nsec } is on the clock of the day, not on the one that does not jump. */
  readonly realtime?: boolean
}

/** One of the words that futexWaitv() waits at. */
export interface FutexWaiterOptions {
  readonly addr: number
  readonly val: number
}

export abstract class FutexCalls extends PthreadCalls {
  /**
   * FUTEX_WAIT: blocks while the 32 bits at an address, a multiple of 4, are `val`, until somebody wakes it. { sec, nsec } is
   * a span. It may return for nothing (after a death): look again.
   *
   * Throws EAGAIN (they are not `val`), ETIMEDOUT, EFAULT (no memory there, or not for this), EINVAL (not aligned, no time).
   */
  futexWait(addr: number, val: number, options: FutexWaitOptions = {}): void {
    const { isPrivate, until } = read('futexWait', options, 'span')
    const [at, value] = [toNumber('futexWait', 'addr', addr), toInt('futexWait', 'val', val)]
    this.enter()
    checked(waitAt(this.sync, at, value, ANY, until, isPrivate), 'futex')
  }

  /**
   * FUTEX_WAKE: wakes the first `count` of those who wait at an address, in whatever process; 1 if it is not positive. Returns
   * how many. Throws EFAULT, EINVAL.
   */
  futexWake(addr: number, count = 1, options: FutexOptions = {}): number {
    const { isPrivate } = read('futexWake', options, 'span')
    const [at, most] = [toNumber('futexWake', 'addr', addr), toInt('futexWake', 'count', count)]
    this.enter()
    return checked(wakeAt(this.sync, at, most, ANY, isPrivate), 'futex')
  }

  /**
   * FUTEX_WAIT_BITSET: as futexWait(), and is woken only by those whose bitset has a bit in common. { sec, nsec } is a moment.
   * Throws EINVAL too if the bitset is 0.
   */
  futexWaitBitset(addr: number, val: number, bitset: number, options: FutexBitsetOptions = {}): void {
    assertOptions('futexWaitBitset()', options)
    const { realtime = false } = options
    const { isPrivate, until } = read('futexWaitBitset', options, realtime ? 'realtime' : 'monotonic')
    const [at, value] = [toNumber('futexWaitBitset', 'addr', addr), toInt('futexWaitBitset', 'val', val)]
    const bits = toInt('futexWaitBitset', 'bitset', bitset)
    this.enter()
    checked(waitAt(this.sync, at, value, bits, until, isPrivate), 'futex')
  }

  /** FUTEX_WAKE_BITSET: as futexWake(), and passes over those whose bitset has no bit in common. EINVAL too if it is 0. */
  futexWakeBitset(addr: number, count: number, bitset: number, options: FutexOptions = {}): number {
    const { isPrivate } = read('futexWakeBitset', options, 'span')
    const [at, most] = [toNumber('futexWakeBitset', 'addr', addr), toInt('futexWakeBitset', 'count', count)]
    const bits = toInt('futexWakeBitset', 'bitset', bitset)
    this.enter()
    return checked(wakeAt(this.sync, at, most, bits, isPrivate), 'futex')
  }

  /**
   * FUTEX_REQUEUE: wakes `wake` of those who wait at `addr`, and makes `requeue` of the others wait at `addr2`. Returns how
   * many were woken or moved. Throws EINVAL (a negative count, not aligned), EFAULT.
   */
  futexRequeue(
    addr: number,
    addr2: number,
    wake: number,
    requeue: number,
    options: FutexOptions = {},
  ): number {
    const { isPrivate } = read('futexRequeue', options, 'span')
    const [from, to] = [toNumber('futexRequeue', 'addr', addr), toNumber('futexRequeue', 'addr2', addr2)]
    const [most, moved] = [toInt('futexRequeue', 'wake', wake), toInt('futexRequeue', 'requeue', requeue)]
    this.enter()
    return checked(requeueAt(this.sync, from, to, most, moved, undefined, isPrivate), 'futex')
  }

  /** FUTEX_CMP_REQUEUE: as futexRequeue(), if the 32 bits at `addr` are `val`. Throws EAGAIN too: they are not. */
  futexCmpRequeue(
    addr: number,
    addr2: number,
    wake: number,
    requeue: number,
    val: number,
    options: FutexOptions = {},
  ): number {
    const { isPrivate } = read('futexCmpRequeue', options, 'span')
    const [from, to] = [
      toNumber('futexCmpRequeue', 'addr', addr),
      toNumber('futexCmpRequeue', 'addr2', addr2),
    ]
    const [most, moved] = [
      toInt('futexCmpRequeue', 'wake', wake),
      toInt('futexCmpRequeue', 'requeue', requeue),
    ]
    const value = toInt('futexCmpRequeue', 'val', val)
    this.enter()
    return checked(requeueAt(this.sync, from, to, most, moved, value, isPrivate), 'futex')
  }

  /**
   * FUTEX_WAKE_OP: changes the 32 bits at `addr2` in one step; wakes `wake` of those who wait at `addr`, and, if what was at
   * `addr2` before compares so, `wake2` of those there. Returns how many in all. The arguments are FUTEX_OP()'s: operands of
   * 12 bits, signed.
   *
   * Throws ENOSYS (no such operation or comparison), EINVAL, EFAULT.
   */
  futexWakeOp(
    addr: number,
    addr2: number,
    wake: number,
    wake2: number,
    operation: WakeOperation,
    options: FutexOptions = {},
  ): number {
    const { isPrivate } = read('futexWakeOp', options, 'span')
    const [first, second] = [toNumber('futexWakeOp', 'addr', addr), toNumber('futexWakeOp', 'addr2', addr2)]
    const [most, most2] = [toInt('futexWakeOp', 'wake', wake), toInt('futexWakeOp', 'wake2', wake2)]
    assertOptions('futexWakeOp()', operation)
    const { op, oparg, cmp, cmparg } = operation
    const what: WakeOperation = {
      op: toInt('futexWakeOp', 'op', op),
      oparg: toInt('futexWakeOp', 'oparg', oparg),
      cmp: toInt('futexWakeOp', 'cmp', cmp),
      cmparg: toInt('futexWakeOp', 'cmparg', cmparg),
    }
    this.enter()
    return checked(wakeOpAt(this.sync, first, second, most, most2, what, isPrivate), 'futex')
  }

  /**
   * futex_waitv(2): blocks while each of 1 to 128 words is what is expected of it, until one is woken. Returns its index.
   * { sec, nsec } is a moment on the clock that does not jump.
   *
   * Throws EAGAIN (a word is something else), ETIMEDOUT, EINVAL (none, too many, not aligned, no time), EFAULT, ENOMEM.
   */
  futexWaitv(waiters: readonly FutexWaiterOptions[], options: FutexWaitOptions = {}): number {
    const { isPrivate, until } = read('futexWaitv', options, 'monotonic')
    if (!Array.isArray(waiters))
      throw typeError('futexWaitv()', 'waiters', 'an array of { addr, val }', waiters)
    const words = Array.from(waiters as readonly unknown[], (waiter, i) => {
      if (typeof waiter !== 'object' || waiter === null)
        throw typeError('futexWaitv()', `waiters[${i}]`, 'an object { addr, val }', waiter)
      const { addr, val } = waiter as FutexWaiterOptions
      return { address: toNumber('futexWaitv', 'addr', addr), value: toInt('futexWaitv', 'val', val) }
    })
    this.enter()
    return checked(waitAtAny(this.sync, words, until, isPrivate), 'futex_waitv')
  }
}

/** Options, each read once. */
function read(
  call: string,
  options: FutexWaitOptions,
  base: TimeBase,
): { readonly isPrivate: boolean; readonly until: Until } {
  assertOptions(`${call}()`, options)
  const { private: isPrivate = false, timeout } = options
  if (typeof isPrivate !== 'boolean') throw typeError(`${call}()`, 'private', 'true or false', isPrivate)
  return { isPrivate, until: timeout === undefined ? FOR_EVER : toUntil(call, timeout, base) }
}
