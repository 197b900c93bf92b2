/** pageframe/channel: records from thread to thread, in place. */

import './memory/start.ts'

export { Channel } from './channel/channel.ts'
export type { Source } from './channel/channel.ts'
export type { ChannelOptions } from './channel/kind.ts'
export type { Loan } from './channel/loan.ts'
export type { Message } from './channel/message.ts'
export { bytes, json, text } from './memory/types.ts'
export type { Type, Value } from './memory/types.ts'
