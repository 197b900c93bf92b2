/**
 * waitGraph(): who waits for what, and who holds it, in one memory at this moment.
 *
 *   thread 1 ──waits for──► Mutex 'a' ──held by──► thread 2 ──waits for──► Mutex 'b' ──held by──► thread 1
 *
 * A cycle of threads that are all asleep never ends, save by a time-out or a death; it is looked for twice, and reported if
 * it was there both times: what stayed so in between was so at one moment. An asynchronous wait stops a task and not its
 * thread, whose other tasks may hold what closes the cycle: such a cycle is reported as not certain.
 */

// The kinds that it knows, whoever asks.
import '../channel/channel.ts'
import '../locks/diagnostics/index.ts'

import type { Handle } from '../memory/kind.ts'
import { showDuration } from '../words/usage.ts'
import { attachmentFor } from './asked.ts'
import { withText, type Texted } from './text.ts'
import { lastingCycles } from './wait-cycles.ts'
import {
  WaitSnapshot,
  type GraphLock,
  type GraphThread,
  type HoldEdge,
  type WaitEdge,
} from './wait-snapshot.ts'

/** Each waits for what the next one's thread holds, and the last for what the first one's does. */
export interface WaitCycle {
  readonly waits: readonly WaitEdge[]
  /** All of its threads are asleep: it cannot end by itself. */
  readonly isCertain: boolean
}

export interface WaitGraph {
  readonly threads: readonly GraphThread[]
  readonly locks: readonly GraphLock[]
  /** The longest first. */
  readonly waits: readonly WaitEdge[]
  readonly holds: readonly HoldEdge[]
  readonly cycles: readonly WaitCycle[]
}

/**
 * Who waits for what in a memory, and who holds it. `memory` is a SharedMemory, the default one if absent. As a text: a line
 * for each wait and each cycle.
 */
export function waitGraph(memory?: Handle): WaitGraph & Texted {
  const attachment = attachmentFor('waitGraph()', memory)
  const graph = new WaitSnapshot(attachment)
  const cycles = lastingCycles(graph.waits, () => new WaitSnapshot(attachment).waits)
  return withText(
    {
      threads: [...graph.threads.values()],
      locks: [...graph.locks.values()],
      waits: graph.waits,
      holds: graph.holds,
      cycles: cycles.map((waits) => ({ waits, isCertain: waits.every(({ isAsync }) => !isAsync) })),
    },
    textOf,
  )
}

// ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function textOf({ waits, cycles }: Omit<WaitGraph, keyof Texted>): string {
  if (waits.length === 0) return 'nobody waits\n'
  const lines = waits.map((wait) => `${lineOf(wait)}\n`)
  const endless = cycles.map((cycle) => `\n${showCycle(cycle)}`)
  return lines.concat(endless).join('')
}

function lineOf({ thread, lock, isAsync, forMs, heldBy }: WaitEdge): string {
  const how = isAsync ? ' asynchronously' : ''
  const holders = heldBy.length === 0 ? '' : `, held by ${heldBy.map(({ label }) => label).join(', ')}`
  return `${thread.label} waits${how} for ${lock.label} (${showDuration(forMs)})${holders}`
}

/** A cycle, a line for each of its waits. */
function showCycle({ waits, isCertain }: WaitCycle): string {
  const title = isCertain ? 'deadlock:' : 'perhaps a deadlock (a thread whose task waits may go on):'
  const lines = waits.map(({ thread, lock, isAsync, stack }, index) => {
    const next = waits[(index + 1) % waits.length].thread
    const line = `  ${thread.label} waits${isAsync ? ' asynchronously' : ''} for ${lock.label}, which ${next.label} holds`
    return [line, ...stack.map((caller) => `    ${caller}`)].map((each) => `${each}\n`).join('')
  })
  return `${title}\n${lines.join('')}`
}
