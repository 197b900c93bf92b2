/** The structures that workers use in histories.test.ts (fixtures/history.mjs), as one thread alone would see them. */

import {
  Channel,
  json,
  Latch,
  Mutex,
  Region,
  ResetEvent,
  RwLock,
  Semaphore,
  SeqLock,
  SpinLock,
} from 'pageframe'
import type { LoggedCall, SequentialModel } from 'pageframe/testing'

export interface Structure {
  readonly model: SequentialModel<number, LoggedCall, number>
  readonly kills: boolean
  /** Puts it back to its first state. All is at rest. */
  readonly reset: (name: string, round: number) => void
}

/** State: the value. 1: write, 2: read, 3: compare with 0 and write; 2 and 3 return what was there. */
const register: Structure['model'] = {
  initial: 0,
  step: (state, [method, value], result, isOpen) => {
    if (method === 1) return [value]
    if (!isOpen && result !== state) return []
    return [method === 3 && state === 0 ? value : state]
  },
}

/** What is in line, as digits of base 16, the oldest first. 1: put, 2: take; both return 0 if that is not possible. */
function line(capacity: number): Structure['model'] {
  return {
    initial: 0,
    step: (state, [method, value], result, isOpen) => {
      const digits = state === 0 ? '' : state.toString(16)
      const isPossible = method === 1 ? digits.length < capacity : digits !== ''
      if (!isPossible) return isOpen || result === 0 ? [state] : []
      if (method === 1) return isOpen || result === 1 ? [state * 16 + value] : []
      return isOpen || result === Number.parseInt(digits[0], 16)
        ? [Number.parseInt(`0${digits.slice(1)}`, 16)]
        : []
    },
  }
}

function wordsOf(name: string): Int32Array {
  return Region.open(`${name} words`, 64).as(Int32Array)
}

function clear(name: string, lock: Mutex | RwLock, side: Mutex | RwLock['write']): void {
  const token = side.lock({ timeoutMs: 10_000 })
  wordsOf(name).fill(0)
  if (token.ownerDied) lock.markConsistent()
  token.unlock()
}

export const structures = {
  register: {
    model: register,
    kills: true,
    reset: (name) => {
      const lock = Mutex.open(name)
      clear(name, lock, lock)
    },
  },

  rwlock: {
    model: register,
    kills: true,
    reset: (name) => {
      const lock = RwLock.open(name)
      clear(name, lock, lock.write)
    },
  },

  spin: {
    model: register,
    kills: true,
    reset: (name) => {
      SpinLock.open(name).run(() => wordsOf(name).fill(0), { timeoutMs: 10_000 })
    },
  },

  seqlock: {
    model: register,
    kills: true,
    reset: (name) => {
      SeqLock.open(name).write(() => wordsOf(name).fill(0), { timeoutMs: 10_000 })
    },
  },

  futex: {
    model: register,
    kills: false,
    reset: (name) => {
      wordsOf(name).fill(0)
    },
  },

  /** State: the permits. 1: tryAcquire, 2: release. */
  semaphore: {
    model: {
      initial: 1,
      step: (state, [method], result, isOpen) => {
        if (method === 2) return [state + 1]
        if (state === 0) return isOpen || result === 0 ? [0] : []
        return isOpen || result === 1 ? [state - 1] : []
      },
    },
    kills: true,
    reset: (name) => {
      const permits = Semaphore.open(name, 1)
      while (permits.tryAcquire());
      permits.release()
    },
  },

  /** State: whether it is set. 1: set, 2: pass, 0 if it is not. */
  event: {
    model: {
      initial: 0,
      step: (state, [method], result, isOpen) => {
        if (method === 1) return [1]
        return isOpen || result === state ? [0] : []
      },
    },
    kills: true,
    reset: (name) => {
      ResetEvent.open(name).reset()
    },
  },

  /** A new one for each round. Nothing is full: there is room for all that is sent. */
  channel: {
    model: line(Infinity),
    kills: false,
    reset: (name, round) => {
      Channel.open(`${name} ${round}`, { of: json(), from: 'one', to: 'one' }).destroy()
    },
  },

  /** Two places under a Mutex, and two Conditions. */
  queue: {
    model: line(2),
    kills: true,
    reset: (name) => {
      const lock = Mutex.open(name)
      clear(name, lock, lock)
    },
  },

  /** State: how many are still to count down. A new one for each round. 1: countDown, 2: tryWait. */
  latch: {
    model: {
      initial: 4,
      step: (state, [method], result, isOpen) => {
        if (method === 1) return [Math.max(0, state - 1)]
        return isOpen || result === (state === 0 ? 1 : 0) ? [state] : []
      },
    },
    kills: true,
    reset: (name, round) => {
      Latch.open(`${name} ${round}`, 4).destroy()
    },
  },
} satisfies Record<string, Structure>
