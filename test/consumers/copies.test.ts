/** Several copies of pageframe in one process: two that npm did not merge, and one of another version. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { useProject } from './project.ts'

const project = useProject({ copies: ['pageframe', 'pageframe-too', 'pageframe-other'] })

test('two copies are one: the same thread, the same memory, the same objects', async () => {
  const result = await project().resultOf('copies.mjs')

  expect(result).toEqual({
    areTwo: true,
    isOneSlot: true,
    isOneMemory: true,
    isSeenHeld: true,
    byWorker: { byName: 'held', byHandle: 'held' },
    isSameByName: true,
    isSameByHandle: true,
    isRevived: true,
    received: { id: 1 },
    permits: 1,
    byte: 42,
    isNamedMemoryFound: true,
    isElsewhere: true,
  })
})

// Channel.open() calls a private method of what it found, which may be of the other copy's class: TypeError. See rule 11.
test('two copies open a channel by its name', async () => {
  const result = await project().resultOf('copies-of-a-channel.mjs')

  expect(result).toEqual({ isSame: true, received: { id: 1 } })
})

test('a copy of another layout is refused, with both versions and what to do', async () => {
  makeAnotherVersion('pageframe-other', '0.0.9')
  const refusal = {
    code: 'EPROTO',
    message: expect.stringMatching(
      /memory 'default' was made by pageframe 0\.1\.0 \(layout \w+\), this thread loaded 0\.0\.9 \(layout \w+\) from .*pageframe-other.* npm ls pageframe/,
    ) as unknown,
  }

  const result = await project().resultOf('other-layout.mjs')

  expect(result).toEqual({ open: refusal, from: refusal, create: refusal, inWorker: refusal, ours: true })
})

/** Renames one shared structure, which changes the signature, and the version; also in the supervisor's embedded source. */
function makeAnotherVersion(copy: string, version: string): void {
  const dist = project().path('node_modules', copy, 'dist')
  let changes = 0
  for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(`${dist}/${file}`, 'utf8')
    const changed = source
      .replace(
        /layout\((\\?")Superblock\\?"/g,
        (_, quote: string) => `layout(${quote}OtherSuperblock${quote}`,
      )
      .replace(/VERSION = (\\?")[\d.]+\\?"/g, (_, quote: string) => `VERSION = ${quote}${version}${quote}`)
    if (changed === source) continue
    writeFileSync(`${dist}/${file}`, changed)
    changes++
  }
  if (changes === 0) throw new Error('the built package has changed its looks: nothing to rename was found')
}
