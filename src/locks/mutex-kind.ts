/**
 * What a mutex is made of, and what happens when two threads ask for different ones.
 *
 *   MutexObject   0 .. 3            4                                  8
 *               ┌─────────────────┬──────┬───────┬──────┬──────┬──────┬────────┐
 *               │ object header   │ word │ spins │ mode │      │ type │ robust │     128 bytes: a line of its own
 *               └─────────────────┴──────┴───────┴──────┴──────┴──────┴────────┘
 *
 *   mode           written by the owner only: how it holds the lock. 0, ASYNC_HOLD, or the depth of a recursive lock
 *                  beyond one
 *   type, robust   written before anybody sees the mutex, and never again
 */

import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import {
  objectHeader,
  type Found,
  type Holder,
  type Kind,
  type Met,
  type Own,
  type Place,
} from '../memory/kind.ts'
import { ownerOf, RawMutex } from '../sync/mutex.ts'
import { EEXIST, ErrnoError } from '../words/errno.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'
import { oneOf, present, typeError } from '../words/usage.ts'

export const MutexObject = layout('Mutex', 128, {
  ...objectHeader,
  raw: words(4),
  type: i32,
  isRobust: i32,
  _end: newLine,
})

const { raw, type: typeAt, isRobust: robustAt } = MutexObject

const TYPES = ['normal', 'errorCheck', 'recursive'] as const
type MutexType = (typeof TYPES)[number]

/** What the word `type` holds. */
export const NORMAL = 0
export const RECURSIVE = 2

/** In the word `mode`: the owner holds it by lockAsync(). Any other value but 0 is a recursion depth. */
export const ASYNC_HOLD = -1

export interface MutexOptions extends Place {
  /**
   * What happens to an owner that locks again: 'normal' waits (for ever), 'errorCheck' throws EDEADLK, 'recursive' counts.
   * 'normal' if absent.
   */
  type?: MutexType
  /** Handed on, with notice, when its owner dies; true if absent. Otherwise it stays locked for ever. */
  robust?: boolean
}

export function mutexKind<X extends Met>(make: (found: Found) => X): Kind<MutexOptions, X> {
  return {
    name: 'Mutex',
    layout: MutexObject,
    read,
    build,
    compare,
    demolish,
    noMemory,
    make,
    holders,
    check: mutexProblems,
  }
}

function read(call: string, { type, robust }: MutexOptions): Own<MutexOptions> {
  if (type !== undefined) oneOf(call, 'type', type, TYPES)
  if (robust !== undefined && typeof robust !== 'boolean')
    throw typeError(call, 'robust', 'true or false', robust)
  return present<Own<MutexOptions>>({ type, robust })
}

function build({ cpu }: Attachment, at: number, { type = 'normal', robust = true }: MutexOptions): number {
  cpu.store(at + typeAt, TYPES.indexOf(type))
  cpu.store(at + robustAt, robust ? 1 : 0)
  return 0
}

function compare({ cpu }: Attachment, at: number, name: string, { type, robust }: MutexOptions): void {
  const refuse = (there: string, asked: string): never => {
    throw new ErrnoError(
      EEXIST,
      'open',
      `Mutex '${name}' exists and is ${there}; this thread asked for ${asked}`,
    )
  }
  const theirs = TYPES[cpu.load(at + typeAt)]
  if (type !== undefined && type !== theirs) refuse(`of type '${theirs}'`, `'${type}'`)
  const isTheirs = cpu.load(at + robustAt) === 1
  const say = (is: boolean) => (is ? 'robust' : 'not robust')
  if (robust !== undefined && robust !== isTheirs) refuse(say(isTheirs), say(robust))
}

function demolish(): void {
  // A mutex has nothing but its cell.
}

function holders({ lot, cpu }: Attachment, at: number): readonly Holder[] {
  const tid = ownerOf(lot, at + raw)
  return tid === 0 ? [] : [{ tid, isAsync: cpu.load(at + raw + RawMutex.mode) === ASYNC_HOLD }]
}

function noMemory(attachment: Attachment, { name }: MutexOptions): string {
  return attachment.noMemory(name === undefined ? 'Mutex' : `Mutex '${name}'`, MutexObject.sizeof * 4)
}

/** What does not add up in a mutex at rest. */
export function* mutexProblems(attachment: Attachment, at: number): Generator<string> {
  const tid = ownerOf(attachment.lot, at + raw)
  const isRobust = attachment.cpu.load(at + robustAt) === 1
  if (tid !== 0 && isRobust && !runningThreads(attachment).has(tid)) {
    yield `a Mutex at ${at} is held by a thread (${tid}) that does not run`
  }
}
