/** Rows of calls.mjs: semaphores, locks and futexes at addresses. */

const EOWNERDEAD = 130

const TIMED = { timeout_ms: 'i64', sec: 'i64', nsec: 'i64' }
const OBJECT = { obj: 'u64' }

/**
 * What a timed call gets: milliseconds from now; or, where the scenario spoils a field, the structure of C. Of a moment only
 * the nanoseconds can be spoiled.
 */
function timeoutOf({ timeout_ms = 0, nsec }, base = Date.now()) {
  if (nsec === undefined) return timeout_ms
  return { sec: Math.floor((base + timeout_ms) / 1000), nsec }
}

/** The same where C takes a span. */
function spanOf({ timeout_ms = 0, sec, nsec }) {
  if (sec === undefined && nsec === undefined) return timeout_ms
  return { sec: sec ?? Math.floor(timeout_ms / 1000), nsec: nsec ?? (timeout_ms % 1000) * 1e6 }
}

const FUTEX = { addr: 'u64', private: 'int' }

function options({ private: isPrivate = 0 }) {
  return { private: isPrivate !== 0 }
}

function waitOptions(args, timeout) {
  const isTimed = ['timeout_ms', 'sec', 'nsec'].some((name) => args[name] !== undefined)
  return isTimed ? { ...options(args), timeout: timeout(args) } : options(args)
}

function monotonicNow() {
  return Number(process.hrtime.bigint() / 1_000_000n)
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

  cond_init: [
    { ...OBJECT, monotonic: 'int' },
    (self, { obj, monotonic = 0 }) => self.condInit(obj, { clock: monotonic ? 'monotonic' : 'realtime' }),
  ],
  cond_destroy: [OBJECT, (self, { obj }) => self.condDestroy(obj)],
  cond_wait: [{ ...OBJECT, mutex: 'u64' }, (self, { obj, mutex }) => noticed(self.condWait(obj, mutex))],
  cond_timedwait: [
    { ...OBJECT, ...TIMED, mutex: 'u64', monotonic: 'int' },
    (self, args) => {
      const now = args.monotonic ? monotonicNow() : Date.now()
      return noticed(self.condTimedWait(args.obj, args.mutex, timeoutOf(args, now)))
    },
  ],
  cond_signal: [OBJECT, (self, { obj }) => self.condSignal(obj)],
  cond_broadcast: [OBJECT, (self, { obj }) => self.condBroadcast(obj)],

  rwlock_init: [
    { ...OBJECT, prefer_writer: 'int' },
    (self, { obj, prefer_writer = 0 }) =>
      self.rwlockInit(obj, { prefer: prefer_writer ? 'writers' : 'readers' }),
  ],
  rwlock_destroy: [OBJECT, (self, { obj }) => self.rwlockDestroy(obj)],
  rwlock_rdlock: [OBJECT, (self, { obj }) => self.rwlockRdLock(obj)],
  rwlock_tryrdlock: [OBJECT, (self, { obj }) => self.rwlockTryRdLock(obj)],
  rwlock_timedrdlock: [
    { ...OBJECT, ...TIMED },
    (self, args) => self.rwlockTimedRdLock(args.obj, timeoutOf(args)),
  ],
  rwlock_wrlock: [OBJECT, (self, { obj }) => self.rwlockWrLock(obj)],
  rwlock_trywrlock: [OBJECT, (self, { obj }) => self.rwlockTryWrLock(obj)],
  rwlock_timedwrlock: [
    { ...OBJECT, ...TIMED },
    (self, args) => self.rwlockTimedWrLock(args.obj, timeoutOf(args)),
  ],
  rwlock_unlock: [OBJECT, (self, { obj }) => self.rwlockUnlock(obj)],

  barrier_init: [{ ...OBJECT, count: 'u32' }, (self, { obj, count = 1 }) => self.barrierInit(obj, count)],
  barrier_destroy: [OBJECT, (self, { obj }) => self.barrierDestroy(obj)],
  barrier_wait: [OBJECT, (self, { obj }) => (self.barrierWait(obj) ? 1 : 0)],

  spin_init: [OBJECT, (self, { obj }) => self.spinInit(obj)],
  spin_destroy: [OBJECT, (self, { obj }) => self.spinDestroy(obj)],
  spin_lock: [OBJECT, (self, { obj }) => self.spinLock(obj)],
  spin_trylock: [OBJECT, (self, { obj }) => self.spinTryLock(obj)],
  spin_unlock: [OBJECT, (self, { obj }) => self.spinUnlock(obj)],

  futex_wait: [
    { ...FUTEX, ...TIMED, val: 'int' },
    (self, args) => self.futexWait(args.addr, args.val ?? 0, waitOptions(args, spanOf)),
  ],
  futex_wake: [{ ...FUTEX, n: 'int' }, (self, args) => self.futexWake(args.addr, args.n ?? 1, options(args))],
  futex_wait_bitset: [
    { ...FUTEX, ...TIMED, val: 'int', bitset: 'int', realtime: 'int' },
    (self, args) => {
      const now = args.realtime ? Date.now() : monotonicNow()
      const more = { realtime: Boolean(args.realtime) }
      const { addr, val = 0, bitset = -1 } = args
      return self.futexWaitBitset(addr, val, bitset, {
        ...waitOptions(args, (timed) => timeoutOf(timed, now)),
        ...more,
      })
    },
  ],
  futex_wake_bitset: [
    { ...FUTEX, n: 'int', bitset: 'int' },
    (self, args) => self.futexWakeBitset(args.addr, args.n ?? 1, args.bitset ?? -1, options(args)),
  ],
  futex_requeue: [
    { ...FUTEX, addr2: 'u64', wake: 'int', requeue: 'int' },
    (self, args) =>
      self.futexRequeue(args.addr, args.addr2, args.wake ?? 0, args.requeue ?? 0, options(args)),
  ],
  futex_cmp_requeue: [
    { ...FUTEX, addr2: 'u64', wake: 'int', requeue: 'int', val: 'int' },
    (self, { addr, addr2, wake = 0, requeue = 0, val = 0, ...rest }) =>
      self.futexCmpRequeue(addr, addr2, wake, requeue, val, options(rest)),
  ],
  futex_wake_op: [
    { ...FUTEX, addr2: 'u64', n: 'int', n2: 'int', op: 'int', oparg: 'int', cmp: 'int', cmparg: 'int' },
    (self, { addr, addr2, n = 1, n2 = 1, op = 0, oparg = 0, cmp = 0, cmparg = 0, ...rest }) =>
      self.futexWakeOp(addr, addr2, n, n2, { op, oparg, cmp, cmparg }, options(rest)),
  ],
  futex_waitv: [
    { ...TIMED, private: 'int', waiters: 'list' },
    (self, { waiters = [], ...rest }) => {
      const list = waiters.map(([addr, val]) => ({ addr, val: val | 0 }))
      return self.futexWaitv(
        list,
        waitOptions(rest, (timed) => timeoutOf(timed, monotonicNow())),
      )
    },
  ],
}
