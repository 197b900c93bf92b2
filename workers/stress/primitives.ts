/** The primitives that a load test knows, by their names in reports. */

export const PRIMITIVES = [
  'mutex',
  'rwlock',
  'semaphore',
  'condition',
  'barrier',
  'futex',
  'spin',
  'channel',
  'peterson',
  'dekker',
] as const

/** `own`: the user's lock. */
export type PrimitiveName = (typeof PRIMITIVES)[number] | 'own'
