/**
 * A process hand: one process of an exchange, which answers orders one at a time, and whose death is an error. What Hand is
 * for a worker; orders and answers go by channels in the machine's memory.
 */

import { Channel } from '../../channel/channel.ts'
import type { Child } from '../../machine/child.ts'
import type { Machine } from '../../machine/machine.ts'
import { json } from '../../memory/types.ts'
import { tell, type Answer, type Order, type ProcessData } from '../../../workers/exchange/orders.ts'
import { CommandError } from '../errors.ts'

const ends = { from: 'one', to: 'one' } as const

/** An answer that came before the death is read before the death is told. */
const LAST_WORDS_MS = 20

export class ProcessHand {
  readonly name: string
  readonly child: Child
  readonly #orders: Channel<Order>
  readonly #answers: Channel<Answer>
  readonly #death: Promise<never>
  #isEnded = false

  private constructor(name: string, child: Child, orders: Channel<Order>, answers: Channel<Answer>) {
    this.name = name
    this.child = child
    this.#orders = orders
    this.#answers = answers
    this.#death = this.#watch()
    this.#death.catch(() => undefined) // nobody may be asking
  }

  /** Resolves when the process says that it is ready. `data`: what it gets besides memory, orders and answers. */
  static async start(
    machine: Machine,
    name: string,
    url: URL,
    data: Omit<ProcessData, 'memory' | 'orders' | 'answers'>,
  ): Promise<ProcessHand> {
    const { memory } = machine
    const orders = new Channel<Order>({ memory, of: json<Order>(), capacity: '4KiB', ...ends })
    const answers = new Channel<Answer>({ memory, of: json<Answer>(), capacity: '64KiB', ...ends })
    const child = await machine.spawn(url, { name, args: { ...data, memory, orders, answers } })
    const hand = new ProcessHand(name, child, orders, answers)
    await hand.#answer()
    return hand
  }

  async ask<T>(order: Order): Promise<T> {
    tell(this.#orders, order)
    return (await this.#answer()) as T
  }

  /** Ends the process, whatever it does. */
  end(): void {
    this.#isEnded = true
    this.child.kill('SIGKILL')
  }

  async #answer(): Promise<unknown> {
    const read = this.#answers.readAsync()
    // EOWNERDEAD: #death says it
    const message = await Promise.race([read.catch(() => this.#death), this.#death])
    const answer = message?.value ?? { error: 'it closed its channel' }
    message?.[Symbol.dispose]()
    if ('error' in answer) throw this.#died(answer.error)
    return answer.answer
  }

  async #watch(): Promise<never> {
    const { code, signal } = await this.child.waitAsync()
    await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))
    throw this.#died(signal === null ? `its exit status is ${code}` : `by ${signal}`)
  }

  #died(why: string): CommandError {
    return new CommandError(
      this.#isEnded ? `the process '${this.name}' was ended` : `the process '${this.name}' died: ${why}`,
    )
  }
}
