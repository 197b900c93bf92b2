/** The locks that exclude: what each drill of exclusion locks and unlocks. */

import { futex, type Mutex, type SpinLock } from 'pageframe'
import type { Setting } from './drill.ts'
import type { Lock } from './exclusion.ts'

export function byMutex(mutex: Mutex, kills: boolean): Lock {
  return {
    lock: () => {
      const held = mutex.lock()
      return kills && held.ownerDied
    },
    unlock: () => {
      mutex.unlock()
    },
    repaired: () => {
      mutex.markConsistent()
    },
  }
}

export function bySpinLock(spin: SpinLock, kills: boolean): Lock {
  return {
    lock: () => {
      const held = spin.lock()
      return kills && held.ownerDied
    },
    unlock: () => {
      spin.unlock()
    },
  }
}

/** In the arena. */
const FUTEX = 64

/**
 * A mutex made of a futex word and nothing else: 0 free, 1 held, 2 held and somebody may sleep.
 *
 * See: Drepper, Futexes are tricky (2011), the third mutex.
 */
export function byFutex({ board, attachment }: Setting): Lock {
  const { cpu, buffer } = attachment
  const at = board.arenaAt + FUTEX
  const words = new Int32Array(buffer, at * 4, 1)
  return {
    lock() {
      if (cpu.compareExchange(at, 0, 1) === 0) return false
      while (cpu.exchange(at, 2) !== 0) futex.wait(words, 0, 2)
      return false
    },
    unlock() {
      if (cpu.exchange(at, 0) === 2) futex.wake(words, 0, 1)
    },
  }
}

/** Words of the arena behind what exclusion.ts keeps there, each on a line of its own. */
const FLAGS = [64, 96] as const
const TURN = 128

/** How often a waiting thread looks before it gives its core away for a moment. */
const SPIN_TURNS = 20_000

/**
 * Peterson's and Dekker's algorithms exclude two threads by loads and stores alone, if those are sequentially consistent: a
 * store that becomes visible after a later load lets both in. So what is tested here is the Cpu.
 *
 * See: stress-ng --peterson, --dekker; Peterson, Myths about the mutual exclusion problem (1981).
 */
export function byPeterson({ board, place, attachment }: Setting): Lock {
  const { cpu, thread } = attachment
  const mine = board.arenaAt + FLAGS[place.index]
  const theirs = board.arenaAt + FLAGS[1 - place.index]
  const turn = board.arenaAt + TURN
  return {
    lock() {
      cpu.store(mine, 1)
      cpu.store(turn, place.index)
      for (let looks = 1; cpu.load(theirs) === 1 && cpu.load(turn) === place.index; looks++) {
        if (looks % SPIN_TURNS === 0) thread.awaitChange(turn, place.index)
      }
      return false
    },
    unlock() {
      cpu.store(mine, 0)
    },
  }
}

export function byDekker({ board, place, attachment }: Setting): Lock {
  const { cpu, thread } = attachment
  const mine = board.arenaAt + FLAGS[place.index]
  const theirs = board.arenaAt + FLAGS[1 - place.index]
  const turn = board.arenaAt + TURN
  return {
    lock() {
      cpu.store(mine, 1)
      while (cpu.load(theirs) === 1) {
        if (cpu.load(turn) === place.index) {
          if (cpu.spinWhileEqual(theirs, 1, SPIN_TURNS) === 1) thread.awaitChange(theirs, 1)
          continue
        }
        cpu.store(mine, 0)
        for (let looks = 1; cpu.load(turn) !== place.index; looks++) {
          if (looks % SPIN_TURNS === 0) thread.awaitChange(turn, 1 - place.index)
        }
        cpu.store(mine, 1)
      }
      return false
    },
    unlock() {
      cpu.store(turn, 1 - place.index)
      cpu.store(mine, 0)
    },
  }
}
