/**
 * A Condition of a memory whose locks are watched: how long it was waited for. Its mutex is not held meanwhile, and taken
 * again with whatever else the thread holds.
 */

import { Condition, type Until } from '../condition.ts'
import type { AsyncWait, UnlockToken, Wait } from '../lockable.ts'
import { lockOf } from '../tokens.ts'
import { findWatch, watchAs, watchOf } from './watched.ts'

class WatchedCondition extends Condition {
  override wait(held: UnlockToken, wait?: Wait & Until): void {
    const resume = interrupt(held, false)
    try {
      watchOf(this).pass(
        () => false,
        () => {
          super.wait(held, wait)
        },
      )
    } finally {
      resume()
    }
  }

  override async waitAsync(held: UnlockToken, wait?: AsyncWait & Until): Promise<void> {
    const resume = interrupt(held, true)
    try {
      await watchOf(this).passAsync(true, () => super.waitAsync(held, wait))
    } finally {
      resume()
    }
  }
}

/** The mutex of a token is given back for a while. Whatever is no token is the condition's to refuse. */
function interrupt(held: unknown, isAsync: boolean): () => void {
  if (typeof held !== 'object' || held === null) return () => undefined
  const lock = (held as { readonly [lockOf]?: object })[lockOf]
  const resume = lock === undefined ? undefined : findWatch(lock)?.interrupt(isAsync)
  return () => {
    resume?.((held as UnlockToken).locked)
  }
}

watchAs('Condition', Condition, WatchedCondition)
