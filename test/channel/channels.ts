/** Channels whose only user is the test. */

import { Channel, type ChannelOptions } from 'pageframe'

export const ends = { from: 'one', to: 'one' } as const
export const small = { ...ends, capacity: 4096 } as const

export function channel<T = Uint8Array>(options: ChannelOptions<T> = {}): Channel<T> {
  return new Channel<T>({ ...ends, ...options })
}

export const record = (length: number, fill = 0): Uint8Array => new Uint8Array(length).fill(fill)
