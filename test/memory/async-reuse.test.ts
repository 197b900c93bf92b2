/** What a section does that runs in the very step which ended its wait: the wait is over by then, and its record is another's. */

import { ResetEvent, SeqLock, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'

test('a section of writeAsync() that begins another wait: both end', async () => {
  const lock = new SeqLock()
  const event = new ResetEvent()
  let other: Promise<void> | undefined
  let first: Promise<number> | undefined
  lock.write(() => {
    first = lock.writeAsync(() => {
      other = event.waitAsync({ timeoutMs: 2000 })
      return 1
    })
  })
  expect(await first).toBe(1)

  event.set()

  await other
})

test('a section of writeAsync() that aborts its own signal has been run: the promise says so, and no record is free twice', async () => {
  const lock = new SeqLock()
  const control = new AbortController()
  let first: Promise<number> | undefined
  lock.write(() => {
    first = lock.writeAsync(
      () => {
        control.abort(new Error('all others'))
        return 1
      },
      { signal: control.signal },
    )
  })

  expect(await first).toBe(1)
  const [one, two] = [new ResetEvent(), new ResetEvent()]
  const waits = [one.waitAsync({ timeoutMs: 2000 }), two.waitAsync({ timeoutMs: 2000 })]
  one.set()
  two.set()
  await Promise.all(waits)
  expect(SharedMemory.default.check().problems).toEqual([])
})
