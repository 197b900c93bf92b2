/** A stint: what a consumer has of one round, its account and how long each block was under way. */

import { Account } from './account.ts'
import { ENVELOPE_BYTES, unseal } from './envelope.ts'
import type { Kind } from './tally.ts'

export class Stint {
  readonly account: Account
  readonly latenciesMs: number[] = []

  constructor(kind: Kind) {
    this.account = new Account(kind)
  }

  /** A block is in hand: parses its records where they lie, and adds up. */
  take(message: Uint8Array): void {
    const { latencyMs, position } = unseal(message)
    this.latenciesMs.push(latencyMs)
    this.account.addBlock(message.subarray(ENVELOPE_BYTES), position)
  }
}
