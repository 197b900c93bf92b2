/** PAGEFRAME_LOCKS: what the environment says holds for every memory that the process makes, and in its workers. */

import { expect, test } from 'vitest'
import { script } from '../support.ts'

async function watched(value: string) {
  return script(
    async ({ SharedMemory, internals, startActor }) => {
      const bits = (id: string) => internals.attachmentById(id).lockDiagnostics
      const other = new SharedMemory({ size: '2MiB' })
      const plain = new SharedMemory({ size: '2MiB', locks: {} })
      const actor = await startActor()
      const there = await actor.run(({ Mutex }) => Object.getPrototypeOf(new Mutex()) === Mutex.prototype)
      await actor.end()
      return [bits(SharedMemory.default.memory), bits(other.memory), bits(plain.memory), there]
    },
    [],
    { env: { PAGEFRAME_LOCKS: value } },
  )
}

test.each([
  ['', [0, 0, 0, true]],
  ['deadlocks', [1, 1, 0, false]],
  ['statistics', [2, 2, 0, false]],
  ['deadlocks, statistics', [3, 3, 0, false]],
])('%j', async (value, expected) => {
  const { result, stderr } = await watched(value)

  expect(result).toEqual(expected)
  expect(stderr).toBe('')
})

test('what it does not understand it says, and leaves out', async () => {
  const { result, stderr } = await watched('deadlock,statistics')

  expect(result).toEqual([2, 2, 0, false])
  expect(stderr).toContain(
    "PAGEFRAME_LOCKS: there is no 'deadlock', only deadlocks and statistics: PAGEFRAME_LOCKS=deadlocks,statistics",
  )
})
