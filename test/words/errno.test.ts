import { constants } from 'node:os'
import { expect, test } from 'vitest'
import * as errno from '../../src/words/errno.ts'

const ours = Object.entries(errno).flatMap(([name, number]): [string, number][] =>
  typeof number === 'number' ? [[name, number]] : [],
)

test.runIf(process.platform === 'linux')('every errno has the number that Linux gives it', () => {
  // Node's list lacks the two of robust locks (include/uapi/asm-generic/errno.h).
  const theirs: Record<string, number> = { ...constants.errno, EOWNERDEAD: 130, ENOTRECOVERABLE: 131 }

  const wrong = ours.filter(([name, number]) => name in theirs && theirs[name] !== number)
  const unknown = ours.filter(([name]) => !(name in theirs)).map(([name]) => name)

  expect(wrong).toEqual([])
  expect(unknown.sort()).toEqual(['ECANCELED', 'ENFILE'].filter((name) => !(name in theirs)))
  expect(ours.length).toBeGreaterThan(20)
})

test('every errno has its name in messages, of either sign', () => {
  for (const [name, number] of ours) {
    expect(errno.errnoName(number)).toBe(name)
    expect(errno.errnoName(-number)).toBe(name)
  }
  expect(errno.errnoName(9999)).toBe('E9999')
})

test("an ErrnoError has the shape of Node's own", () => {
  const error = new errno.ErrnoError(errno.EINVAL, 'mmap', 'start is not on a page boundary')

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'ErrnoError', code: 'EINVAL', errno: -22, syscall: 'mmap' })
  expect(error.message).toBe('EINVAL: start is not on a page boundary')
})

test('a result passes checked() unless it is negative', () => {
  expect(errno.checked(0, 'read')).toBe(0)
  expect(errno.checked(7, 'read')).toBe(7)
  expect(() => errno.checked(-errno.EIO, 'read')).toThrow(
    expect.objectContaining({ code: 'EIO', syscall: 'read' }),
  )
})
