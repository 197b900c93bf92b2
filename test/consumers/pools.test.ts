/** Threads that others start: test runners, pools and remote calls. */

import { copyFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { useProject } from './project.ts'

const project = useProject({ links: ['vitest', 'piscina', 'comlink'] })

const WARNING = /PageframeWarning: this worker inherited no shared memory/g

describe('under vitest', () => {
  test.each([
    // Each file runs in a process of its own: the thread of the test is a main thread.
    { pool: 'forks', config: 'plain', warnings: 0 },
    // Each file runs in a worker of its own, whose main thread has not imported pageframe.
    { pool: 'threads', config: 'plain', warnings: 2 },
    // One worker runs both files in one vm context, whose Error, Array and so on are not the thread's.
    { pool: 'vmThreads', config: 'plain', warnings: 1 },
    // The same, and pageframe is transformed as the tests are.
    { pool: 'vmThreads', config: 'inlined', warnings: 1 },
  ])(
    'pool $pool ($config): workers lock, pass records and die as elsewhere',
    async ({ pool, config, warnings }) => {
      copyFileSync(project().path('in-a-pool.test.mjs'), project().path('in-a-pool-again.test.mjs'))

      const { stdout, stderr } = await project().node(
        'node_modules/vitest/vitest.mjs',
        ...['run', '--config', `${config}.config.mjs`, '--pool', pool],
        ...['--maxWorkers', '1', '--no-color', '--testTimeout', '60000'],
      )

      expect(stdout).toMatch(/Test Files +2 passed/)
      expect(stdout).toMatch(/Tests +8 passed/)
      expect([...`${stdout}${stderr}`.matchAll(WARNING)]).toHaveLength(warnings)
    },
  )
})

test('tasks of a piscina pool share locks and channels by name, and a task that dies hands its lock on', async () => {
  const result = await project().resultOf('piscina.mjs')

  expect(result).toEqual({
    counted: true,
    received: [{ word: 'three' }, { word: 'small' }, { word: 'words' }],
    death: 'it died',
    heir: { ownerDied: true, isFree: true },
    isLent: true,
  })
})

test('handles go through comlink calls, both ways and at any depth, and revive() gives the things back', async () => {
  const result = await project().resultOf('comlink.mjs')

  expect(result).toEqual({ counted: 2000, isRegion: true, text: 'hello', isSame: true })
})
