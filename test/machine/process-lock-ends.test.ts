/** Locks at addresses, when processes end: while they wait, while they hold, killed anywhere. */

import {
  EOWNERDEAD,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  O_CREAT,
  O_RDWR,
  PTHREAD_MUTEX_RECURSIVE,
} from 'pageframe/machine'
import { describe, expect, test } from 'vitest'
import { eventually, pause } from '../support.ts'
import { asleep, BOTH, LIMIT_MS, run, share } from './lock-programs.ts'
import { boot, type ProgramTools } from './machines.ts'

describe('who is asked to end while it waits, ends', () => {
  test.each([
    ['a mutex', 'self.mutexLock(at)'],
    ['a robust mutex', 'self.mutexLock(at + 64)'],
    ['a semaphore', 'self.semWait(at + 128)'],
    ['a named semaphore', "self.semWait(self.semOpen('/none', 0o100))"],
    ['a condition', 'self.mutexLock(at + 256); self.condWait(at + 192, at + 256)'],
    ['a read lock', 'self.rwlockRdLock(at + 320)'],
    ['a write lock', 'self.rwlockWrLock(at + 320)'],
    ['a barrier', 'self.barrierWait(at + 384)'],
    ['a futex', 'self.futexWait(at + 448, 0)'],
    ['two futexes', 'self.futexWaitv([{ addr: at + 448, val: 0 }, { addr: at + 452, val: 0 }])'],
  ])('at %s', { timeout: LIMIT_MS }, async (_what, wait) => {
    const machine = await boot()
    const { self } = machine
    const at = share(self)
    self.mutexInit(at)
    self.mutexLock(at)
    self.mutexInit(at + 64, { robust: true })
    self.mutexLock(at + 64)
    self.semInit(at + 128, 0)
    self.condInit(at + 192)
    self.mutexInit(at + 256)
    self.rwlockInit(at + 320)
    self.rwlockWrLock(at + 320)
    self.barrierInit(at + 384, 2)

    const child = await run(machine, wait)
    await asleep(machine, 1)
    child.kill('SIGTERM')

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(machine.check().problems).toEqual([])
    expect(self.futexWake(at + 448, 9)).toBe(0)
    self.mutexUnlock(at)
    self.mutexLock(at)
    expect(self.mutexTryLock(at + 256)).toBe(0)
  })
})

test(
  'a process that waits at a page that is cut off holds its frame, and nobody else gets it',
  { timeout: LIMIT_MS },
  async () => {
    const machine = await boot({ memory: '8MiB' })
    const { self } = machine
    const at = share(self)
    const fd = self.shmOpen('/shared', O_RDWR)
    self.semInit(at, 0)
    const child = await run(machine, 'self.semWait(at)')
    await asleep(machine, 1)

    self.ftruncate(fd, 0)
    const filled = self.mmap(null, 200 * 4096, BOTH, MAP_PRIVATE | MAP_ANONYMOUS)
    self.fill(filled, 0xff, 200 * 4096) // some of it would be a semaphore with permits
    self.munmap(filled, 200 * 4096)
    expect(child.status).toBeUndefined()
    const used = machine.memory.usedBytes
    child.kill('SIGKILL')

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGKILL' })
    await eventually(() => machine.memory.usedBytes < used, 'the frame that it held')
    expect(machine.check().problems).toEqual([])
  },
)

describe('robust mutexes', () => {
  test(
    '10,000 that a process held when it died: each tells its next owner',
    { timeout: LIMIT_MS },
    async () => {
      const machine = await boot({ memory: '32MiB' })
      const { self } = machine
      const at = share(self, 160)
      for (let i = 0; i < 10_000; i++) self.mutexInit(at + i * 64, { robust: true })

      const child = await run(machine, 'for (let i = 0; i < 10_000; i++) self.mutexLock(at + i * 64)')
      await child.waitAsync()

      let told = 0
      for (let i = 0; i < 10_000; i++) if (self.mutexLock(at + i * 64) === EOWNERDEAD) told++
      expect(told).toBe(10_000)
      expect(machine.check().problems).toEqual([])
    },
  )

  test('killed anywhere: what two words say is mended by who is told', { timeout: LIMIT_MS }, async () => {
    const machine = await boot()
    const { self } = machine
    const at = share(self)
    self.mutexInit(at, { robust: true, type: PTHREAD_MUTEX_RECURSIVE })
    const mend = ({ self: me }: Pick<ProgramTools, 'self'>, where: number) => {
      if (me.mutexLock(where) !== 130) return
      me.store32(where + 256, me.load32(where + 128))
      me.mutexConsistent(where)
    }
    const churn = `const mend = ${String(mend)}
      for (;;) {
        mend({ self }, at)
        self.mutexLock(at)
        if (self.load32(at + 128) !== self.load32(at + 256)) return 9
        self.add32(at + 128, 1)
        self.add32(at + 256, 1)
        self.mutexUnlock(at)
        self.mutexUnlock(at)
      }`

    for (let round = 0; round < 8; round++) {
      const crew = await Promise.all([1, 2, 3].map(() => run(machine, churn)))
      await eventually(() => crew.every((child) => child.isRunning), 'their start')
      const before = self.load32(at + 128)
      await eventually(() => self.load32(at + 128) !== before, 'their work')
      for (const child of crew) child.kill('SIGKILL')
      const ends = await Promise.all(crew.map((child) => child.waitAsync()))
      expect(ends.map(({ code }) => code)).not.toContain(9)
    }

    mend({ self }, at)
    expect(self.load32(at + 128)).toBe(self.load32(at + 256))
    expect(machine.check().problems).toEqual([])
  })
})

test(
  'named semaphores: made, opened and unlinked by processes that are killed anywhere',
  { timeout: LIMIT_MS },
  async () => {
    const machine = await boot()
    const { self } = machine
    share(self)
    const churn = `for (let i = 0; ; i++) {
        const sem = self.semOpen('/' + self.pid, os.O_CREAT, 0o600, 3)
        if (self.semGetValue(sem) !== 3) return 9
        self.semWait(sem)
        self.semPost(sem)
        if (i % 3 === 0) try { self.semUnlink('/' + self.pid) } catch (error) { if (error.code !== 'ENOENT') throw error }
        self.semClose(sem)
      }`

    for (let round = 0; round < 6; round++) {
      const crew = await Promise.all([1, 2, 3].map(() => run(machine, churn)))
      await eventually(() => crew.every((child) => child.isRunning), 'their start')
      await pause(20 + 7 * round)
      for (const child of crew) child.kill('SIGKILL')
      const ends = await Promise.all(crew.map((child) => child.waitAsync()))
      expect(ends.map(({ signal }) => signal)).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL'])
    }

    const sem = self.semOpen('/common', O_CREAT, 0o600, 2)
    expect(self.semGetValue(sem)).toBe(2)
    expect(machine.check().problems).toEqual([])
  },
)
