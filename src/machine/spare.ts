/**
 * The spare: one worker that has loaded dist/process.js and waits for an order, so that the next process need not load it.
 * Android's zygote does the same, except that it forks: ours is used up, and another one is started when all is quiet.
 *
 *   state      who has it                                          what its death leaves
 *   none       nobody                                              -
 *   LOADING    the supervisor: worker, and one end of its port     nothing; the next spawn has another one started
 *   READY      the same; the spare has said Ready                  the same
 *   taken      the supervisor's record of a process                what the death of a process leaves (supervisor.ts)
 *
 *   none ── a spawn, then QUIET_MS without any ──► LOADING ── Ready ──► READY ── take() ──► taken
 *                                                     └─── dismiss(), its death ───┴──► none
 *
 * Invariants
 *  1. A spare has attached to no memory, runs nothing of a user, and has never been anybody's process.
 *  2. It is taken only if nothing that the order wants is fixed at a worker's birth: see suits().
 *  3. Its port is the private port of the process that it becomes. From take() on the supervisor watches it, so nothing
 *     that happens to it afterwards is lost; if it dies before it has read the order, that process ends with status 1, as
 *     one does whose worker could not be started. A spare that is dead already is not taken.
 *  4. Without a machine there is none: no worker, no timer, no port.
 */

import { startWorker, type Worker, type WorkerEnd } from '../host/spawning.ts'
import { MessageChannel, postToPeer, type MessagePort } from '../host/workers.ts'
import { isProtocol, type Alive } from '../memory/protocol.ts'
import type { Begin, ProcessPlan, SpareData, Spawn } from './protocol.ts'

/** While processes start, a spare would take their time. */
const QUIET_MS = 200

/** A worker that has got its order, and the supervisor's end of its private port. */
export interface Recruit {
  readonly worker: Worker
  readonly threadId: number
  readonly link: MessagePort
}

interface Waiting extends Recruit {
  /** What it was started like. */
  readonly like: Spawn
  isReady: boolean
  /** Of the process that it has become. */
  onEnd: ((end: WorkerEnd) => void) | undefined
}

export class Spare {
  #waiting: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  /** The last order that a spare could have been taken for. */
  #wanted: Spawn | undefined

  /** The spare becomes the process of an order, if there is one, and it can. `onEnd` is called as by startWorker(). */
  take(order: Spawn, plan: ProcessPlan, onEnd: (end: WorkerEnd) => void): Recruit | undefined {
    const waiting = this.#waiting
    if (waiting?.isReady !== true || !suits(waiting.like, order)) return undefined
    this.#waiting = undefined
    const { worker, threadId, link } = waiting
    // The order cannot be posted twice, for it has ports with it: so first something else.
    if (!postToPeer(link, { pageframe: 'alive' } satisfies Alive)) return undefined
    waiting.onEnd = onEnd
    worker.ref()
    link.postMessage({ pageframe: 'begin', plan, env: order.env } satisfies Begin, [order.args])
    return { worker, threadId, link }
  }

  /** A process has been ordered: there may be more of them, and when there are no more a spare is started. */
  prepare(order: Spawn): void {
    if (order.resourceLimits === undefined) this.#wanted = order
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#start()
    }, QUIET_MS)
    this.#timer.unref()
  }

  /** There is no machine any more, or none that spawns. */
  dismiss(): void {
    clearTimeout(this.#timer)
    this.#wanted = undefined
    this.#end()
  }

  #start(): void {
    const like = this.#wanted
    this.#wanted = undefined
    if (like === undefined || (this.#waiting !== undefined && suits(this.#waiting.like, like))) return
    this.#end()
    const { port1, port2 } = new MessageChannel()
    const data: SpareData = { pageframe: 'spare', link: port2 }
    let waiting: Waiting | undefined
    const onGone = () => {
      if (this.#waiting === waiting) this.#waiting = undefined
    }
    try {
      const worker = startWorker({ ...like, name: 'pageframe spare', data, ports: [port2] }, (end) => {
        onGone()
        waiting?.onEnd?.(end)
      })
      worker.unref()
      const { threadId } = worker
      waiting = { worker, threadId, link: port1, like, isReady: false, onEnd: undefined }
    } catch {
      port1.close() // a process would not get a worker either, and says so
      return
    }
    this.#waiting = waiting
    port1.on('message', (message: unknown) => {
      if (isProtocol(message, 'ready')) waiting.isReady = true
    })
    port1.on('close', onGone)
  }

  #end(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.link.close()
    void waiting?.worker.terminate()
  }
}

/**
 * Whether a worker that was started for one order is what a new worker would be for another. Flags and resource limits are
 * for a worker's whole life, and so is what Node reads of its environment when it starts one: NODE_OPTIONS and the like.
 */
function suits(like: Spawn, order: Spawn): boolean {
  return order.resourceLimits === undefined && bornWith(like) === bornWith(order)
}

function bornWith({ script, execArgv, env }: Spawn): string {
  const read = Object.entries(env).filter(([key]) => key.startsWith('NODE_'))
  return JSON.stringify([script, execArgv, read.sort(([a], [b]) => (a < b ? -1 : 1))])
}
