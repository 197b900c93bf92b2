import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const folder = new URL('../../examples/', import.meta.url)

const says: Readonly<Record<string, string>> = {
  '01-shared-counter': 'counted to 40000\n',
  '02-producer-consumer': 'sum of all pixels: 2043346944\n',
  '03-a-worker-dies': 'the last owner died; accounts hold 70 and 0\nrepaired: 70 and 30\n',
  '04-two-processes': [
    'mapped, and nothing behind it: frame null',
    '1 page fault later: pgd -> pud -> pmd -> pte -> a frame',
    'process 2 read 42 there and wrote 43',
    'it saw the same frame: true',
    'SegmentationFault: SEGV_ACCERR\n',
  ].join('\n'),
  '05-locks': '3 workers are ready\nhalf of the way\n132 generations: the glider is where it was\n',
}

const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? entry.name : [],
)

test.each(names)('example %s says what it should, and ends', { timeout: 60_000 }, async (name) => {
  const { stdout } = await run(process.execPath, [new URL(`${name}/main.mjs`, folder).pathname], {
    timeout: 50_000,
  })

  expect(stdout).toBe(says[name])
})
