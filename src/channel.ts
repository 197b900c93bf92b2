/** pageframe/channel: records from thread to thread, in place. */

import './memory/start.ts'

export { bytes, json, text } from './memory/types.ts'
export type { Type, Value } from './memory/types.ts'
