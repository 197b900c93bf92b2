/**
 * A crew: the workers of one run, a place on the board for each, and spares that take the places of the killed.
 *
 *   spare ──order──► in place ──'left'──► done
 *     ▲                 │ kill
 *   new one ◄────────── dead
 */

import { url } from 'virtual:worker-file/stress'
import { now } from '../../host/clock.ts'
import { Worker } from '../../host/workers.ts'
import { ABSENT, GONE, type Board } from '../../../workers/stress/board.ts'
import type { Order, Report, StressData } from '../../../workers/stress/orders.ts'
import { describeThrown } from '../../../workers/stress/thrown.ts'
import { untilReaped } from './reaped.ts'

/** A new worker takes long to start where others use all cores. */
const SPARES = 4

interface Hand {
  readonly worker: Worker
  readonly ready: Promise<void>
  isReady: boolean
  place: number | undefined
  /** How much had been done there when it came. */
  from: number
  hasLeft: boolean
  mayDie: boolean
}

export class Crew {
  readonly #board: Board
  readonly #data: StressData
  readonly #hands = new Set<Hand>()
  readonly #onTrouble: (what: string) => void
  #isEnding = false

  constructor(board: Board, data: StressData, onTrouble: (what: string) => void) {
    this.#board = board
    this.#data = data
    this.#onTrouble = onTrouble
    const count = board.places.length + (data.kills ? SPARES : 0)
    for (let i = 0; i < count; i++) this.#hire()
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#hands].map((hand) => hand.ready))
  }

  /** Gives every place to somebody. */
  begin(): void {
    for (const { index } of this.#board.places) this.#fill(index)
  }

  /** Places whose workers have not said that they are through. */
  get unfinished(): number[] {
    return [...this.#hands].flatMap(({ place, hasLeft }) => (place === undefined || hasLeft ? [] : [place]))
  }

  /**
   * Kills somebody in a place, at random, and gives the place to a spare. Returns what the place said at the death; undefined
   * if there is no spare yet: then nobody is killed.
   */
  async kill(onDeath: (place: number, state: number) => Promise<void>): Promise<number | undefined> {
    if (![...this.#hands].some((hand) => this.#isSpare(hand))) return undefined
    const working = [...this.#hands].filter((hand) => this.#isWorking(hand))
    if (working.length === 0) return undefined
    const victim = working[Math.floor(Math.random() * working.length)]
    const index = victim.place ?? 0
    const place = this.#board.places[index]
    victim.mayDie = true
    this.#board.killedAt = now()
    this.#board.kills++ // before it dies: nobody may be told of more deaths than there are
    const { threadId } = victim.worker
    await victim.worker.terminate()
    this.#hands.delete(victim)
    if (victim.hasLeft) return undefined // it was through before the blow fell
    const { state } = place
    if (state === GONE) return undefined
    place.state = ABSENT
    place.deaths++
    // What it held, and what was on its way to it, is back before anybody counts.
    await untilReaped(threadId)
    await onDeath(index, state)
    this.#fill(index)
    this.#hire()
    return state
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await Promise.all([...this.#hands].map((hand) => hand.worker.terminate()))
  }

  #isSpare(hand: Hand): boolean {
    return hand.isReady && hand.place === undefined
  }

  /** It has done something in its place: it takes part, and its death is noticed by those who need to. */
  #isWorking({ place, hasLeft, from }: Hand): boolean {
    return place !== undefined && !hasLeft && this.#board.places[place].operations > from
  }

  #fill(place: number): void {
    const spare = [...this.#hands].find((hand) => this.#isSpare(hand))
    if (spare === undefined) throw new Error('no worker for a place')
    spare.place = place
    spare.from = this.#board.places[place].operations
    const order: Order = { place }
    spare.worker.postMessage(order)
  }

  #hire(): void {
    const worker = new Worker(url, { name: `stress ${this.#data.primitive}`, workerData: this.#data })
    let isReadyNow: () => void = () => undefined
    const ready = new Promise<void>((resolve) => (isReadyNow = resolve))
    const hand: Hand = {
      worker,
      ready,
      isReady: false,
      place: undefined,
      from: 0,
      hasLeft: false,
      mayDie: false,
    }
    this.#hands.add(hand)
    worker.on('message', (report: Report) => {
      if (report === 'ready') {
        hand.isReady = true
        isReadyNow()
      } else if ('violation' in report) this.#onTrouble(report.violation)
      else hand.hasLeft = true
    })
    const failed = (why: string) => {
      if (hand.mayDie || this.#isEnding) return
      hand.mayDie = true
      const who = hand.place === undefined ? 'a worker' : `worker ${hand.place + 1}`
      this.#onTrouble(`${who} failed: ${why}`)
      isReadyNow()
    }
    worker.on('error', (error: unknown) => {
      failed(describeThrown(error))
    })
    worker.on('exit', (code) => {
      failed(`it exited with code ${code}`)
    })
  }
}
