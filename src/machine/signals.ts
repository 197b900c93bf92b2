/** Signals, as far as a process can get one: by kill(). See signal(7). */

import { oneOf } from '../words/usage.ts'

export const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const
export type SignalName = keyof typeof SIGNALS

export function signalNumber(call: string, name: unknown): number {
  return SIGNALS[oneOf(call, 'signal', name, Object.keys(SIGNALS) as SignalName[])]
}

export function signalName(number: number): string {
  return Object.entries(SIGNALS).find(([, value]) => value === number)?.[0] ?? `SIG${number}`
}

/** How a process has ended: one of the two is null. */
export interface ExitStatus {
  /** What its main() returned, or exit() was given: 0 to 255. */
  readonly code: number | null
  /** The signal that ended it. */
  readonly signal: string | null
}
