/** What the errors of locks say: who holds it, for how long, and who comes first. */

import type { Attachment } from '../memory/attachment.ts'
import type { Lot } from '../sync/lot.ts'
import { holdOf, ownerOf } from '../sync/mutex.ts'
import { EDEADLK, ENOMEM, EPERM } from '../words/errno.ts'
import { showDuration } from '../words/usage.ts'

/** The thread that holds a mutex: `thread 3 'parser'`. */
export function holderOf(context: Attachment, word: number): string {
  const tid = ownerOf(context.lot, word)
  return tid === 0 ? 'nobody (just released)' : context.threadName(tid)
}

/** Why a mutex was not acquired in time: `thread 3 'parser' has held it for at least 4.2 s, 2 waiters are ahead of you`. */
export function whyLate(context: Attachment, word: number, record: number): string {
  const { owner, atLeastMs } = holdOf(context.lot, word)
  const ahead = aheadOfYou(context.lot, record)
  if (owner === 0) return `it has just been released, ${ahead}`
  const holds = atLeastMs < 1 ? 'holds it' : `has held it for at least ${showDuration(atLeastMs)}`
  return `${context.threadName(owner)} ${holds}, ${ahead}`
}

/** Why a mutex was not locked or unlocked, at all. */
export function whyNot(context: Attachment, word: number, errno: number, isAsyncHold: boolean): string {
  switch (errno) {
    case -EDEADLK:
      return isAsyncHold
        ? 'this thread holds it already, in an async section; to block here would never end. Use await lockAsync()'
        : 'this thread holds it already'
    case -EPERM:
      return `this thread does not hold it, ${ownerOf(context.lot, word) === 0 ? 'nobody' : holderOf(context, word)} does`
    case -ENOMEM:
      return noRecord(context)
    default:
      return 'an owner died, and the next one unlocked without markConsistent(): what it protects may be torn. Destroy it'
  }
}

/** Why a wait could not even begin. */
export function noRecord(context: Attachment): string {
  return `no memory is left for an asynchronous wait in memory '${context.label}'`
}

/** `2 waiters are ahead of you`: those who came before the wait of a record, which is over or about to be. */
export function aheadOfYou(lot: Lot, record: number): string {
  const ahead = lot.aheadOf(record)
  if (ahead === 0) return 'nobody is ahead of you'
  return ahead === 1 ? '1 waiter is ahead of you' : `${ahead} waiters are ahead of you`
}
