/** Rows of calls.mjs: semaphores, locks and futexes at addresses. */

const EOWNERDEAD = 130

const TIMED = { timeout_ms: 'i64', sec: 'i64', nsec: 'i64' }
const OBJECT = { obj: 'u64' }

/** What a timed call gets: milliseconds from now; or, where the scenario spoils a field, the structure of C. */
function timeoutOf({ timeout_ms = 0, sec, nsec }, base = Date.now()) {
  if (sec === undefined && nsec === undefined) return timeout_ms
  const moment = base + timeout_ms
  return { sec: sec ?? Math.floor(moment / 1000), nsec: nsec ?? Math.floor((moment % 1000) * 1e6) }
}

/** The lock is had, but the call says EOWNERDEAD. */
function noticed(result) {
  return result === EOWNERDEAD ? { errno: 'EOWNERDEAD' } : result
}

export const SYNC_CALLS = {
  sem_init: [{ sem: 'u64', value: 'u32' }, (self, { sem, value = 0 }) => self.semInit(sem, value)],
  sem_destroy: [{ sem: 'u64' }, (self, { sem }) => self.semDestroy(sem)],
  sem_open: [
    { name: 'text', oflag: 'int', mode: 'int', value: 'u32' },
    (self, { name, oflag = 0, mode = 0o600, value = 0 }) => self.semOpen(name, oflag, mode, value),
  ],
  sem_close: [{ sem: 'u64' }, (self, { sem }) => self.semClose(sem)],
  sem_unlink: [{ name: 'text' }, (self, { name }) => self.semUnlink(name)],
  sem_wait: [{ sem: 'u64' }, (self, { sem }) => self.semWait(sem)],
  sem_trywait: [{ sem: 'u64' }, (self, { sem }) => self.semTryWait(sem)],
  sem_timedwait: [{ sem: 'u64', ...TIMED }, (self, args) => self.semTimedWait(args.sem, timeoutOf(args))],
  sem_post: [{ sem: 'u64' }, (self, { sem }) => self.semPost(sem)],
  sem_getvalue: [{ sem: 'u64' }, (self, { sem }) => self.semGetValue(sem)],

  mutex_init: [
    { ...OBJECT, type: 'int', robust: 'int' },
    (self, { obj, type = 0, robust = 0 }) => self.mutexInit(obj, { type, robust: robust !== 0 }),
  ],
  mutex_destroy: [OBJECT, (self, { obj }) => self.mutexDestroy(obj)],
  mutex_lock: [OBJECT, (self, { obj }) => noticed(self.mutexLock(obj))],
  mutex_trylock: [OBJECT, (self, { obj }) => noticed(self.mutexTryLock(obj))],
  mutex_timedlock: [
    { ...OBJECT, ...TIMED },
    (self, args) => noticed(self.mutexTimedLock(args.obj, timeoutOf(args))),
  ],
  mutex_unlock: [OBJECT, (self, { obj }) => self.mutexUnlock(obj)],
  mutex_consistent: [OBJECT, (self, { obj }) => self.mutexConsistent(obj)],
}
