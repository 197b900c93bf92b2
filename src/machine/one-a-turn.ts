/**
 * One a turn: long steps of an event loop, in their order, with everything else that the loop has to do between them (or
 * after every second: the first may come late in a turn).
 *
 * Node empties a port within one turn of the loop. A hundred orders that wait there, of 10 ms or more each, would keep all
 * else waiting that long: those who want to be let in too, whose patience has an end.
 */

export class OneATurn {
  readonly #waiting: (() => void)[] = []
  /** One was done in this turn already. */
  #isDone = false

  /** Does it now, or in one of the next turns. */
  run(step: () => void): void {
    if (this.#isDone) this.#waiting.push(step)
    else this.#take(step)
  }

  #take(step: () => void): void {
    this.#isDone = true
    setImmediate(() => {
      this.#isDone = false
      const next = this.#waiting.shift()
      if (next !== undefined) this.#take(next)
    })
    step()
  }
}
