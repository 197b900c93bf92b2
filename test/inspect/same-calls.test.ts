import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { smaps } from '../../src/inspect/smaps.ts'
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '../../src/ipc/constants.ts'
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../src/space/constants.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { inspectable } from './world.ts'

const FIRST = 0x20000000
const EACH = 0x100000
const PAGES = 4
const NAME = '/pageframe-same-calls'

test.each(['lp64', 'ilp32'] as const)('%s: after the same calls smaps says what Linux says', (layout) => {
  const { process } = inspectable(layout)
  const us = process(0)
  const other = process(1)

  makeEach(us)
  // As the child of linux.c does.
  const fd = other.open(NAME, O_RDWR)
  const theirs = other.mapFd(FIRST, PAGES, RW, MAP_SHARED | MAP_FIXED, fd, PAGE_SIZE)
  other.read(theirs, 0)
  other.write(theirs, 1)
  const before = String(smaps(us.view))
  us.unlink(NAME)
  const after = String(smaps(us.view))

  const linux = readFileSync(new URL('fixtures/linux-smaps.txt', import.meta.url), 'utf8')
  expect(withoutNumbers(before + after)).toBe(withoutNumbers(linux))
  expect(String(smaps(other.view))).toContain('(deleted)')
})

const RW = PROT_READ | PROT_WRITE
const ANON = MAP_PRIVATE | MAP_ANONYMOUS

/** What fixtures/linux.c does. */
function makeEach(us: ReturnType<ReturnType<typeof inspectable>['process']>): void {
  const { read, write, protect } = us
  const fd = us.open(NAME, O_RDWR | O_CREAT | O_EXCL)
  const reading = us.open(NAME, O_RDONLY)
  us.truncate(fd, 16 * PAGE_SIZE)
  const map = (row: number, prot: number, flags: number, from = -1, offset = 0): number =>
    us.mapFd(FIRST + row * EACH, PAGES, prot, flags | MAP_FIXED, from, offset)

  let at = map(0, RW, ANON)
  write(at, 0)
  write(at, 3)
  at = map(1, PROT_READ, ANON)
  read(at, 0)
  map(2, PROT_NONE, ANON)
  at = map(3, RW, ANON | MAP_NORESERVE)
  write(at, 1)
  at = map(4, RW | PROT_EXEC, ANON)
  read(at, 1)
  at = map(5, RW, MAP_SHARED | MAP_ANONYMOUS)
  write(at, 2)
  read(at, 0)
  map(6, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE)
  at = map(7, RW, ANON)
  write(at, 0)
  protect(at, PAGES, PROT_READ)
  at = map(8, RW, ANON)
  protect(at, PAGES, PROT_READ)
  at = map(9, RW, ANON)
  write(at, 0)
  write(at, 1)
  protect(at, PAGES, PROT_NONE)
  at = map(10, RW, MAP_SHARED, fd, PAGE_SIZE)
  read(at, 0)
  write(at, 0)
  read(at, 1)
  at = map(11, PROT_READ, MAP_SHARED, reading, 8 * PAGE_SIZE)
  read(at, 3)
  at = map(12, RW, MAP_PRIVATE, fd, 12 * PAGE_SIZE)
  write(at, 0)
  read(at, 2)
  at = map(13, PROT_READ, MAP_PRIVATE, reading)
  read(at, 1)
  map(14, RW, ANON | MAP_POPULATE)
}

/** Device and inode are whatever the machine has given out, and the name's distance from them depends on how long they are. */
function withoutNumbers(text: string): string {
  return text.replace(/^(\S+-\S+ \S+ \S+) (?!00:00)\S+ \d+ +/gm, '$1 numbers ')
}
