/**
 * What one thread knows of the memories in its process. It stands on the process object: a second copy of the package in
 * the same thread, or a hot reload, finds the same slots, the same port to the supervisor and the same objects.
 */

import { threadState, type MessagePort, type Worker } from '../host/workers.ts'
import type { Attachment } from './attachment.ts'
import { Destroyed } from './destroyed.ts'
import type { Offer } from './protocol.ts'
import { LAYOUT } from './superblock.ts'

export interface Known {
  readonly offer: Offer
  /** True in the thread that made the memory, whose slot is 0. */
  readonly isMaker: boolean
  attachment: Attachment | undefined
}

export interface ThreadMemories {
  readonly known: Map<string, Known>
  /** Memories that this thread has known, or heard of too late. */
  readonly destroyed: Destroyed
  module: WebAssembly.Module | undefined
  /** Id of the memory that SharedMemory.default stands for in this thread. */
  defaultId: string | undefined
  /** This thread made the default memory, and starts the supervisor. */
  isRoot: boolean
  hasInitialized: boolean
  supervisor: Worker | undefined
  isStartingSupervisor: boolean
  /** The private port to the supervisor; that it closes is how a death is noticed, on either side. */
  link: MessagePort | undefined
  /** The supervisor listens for this thread's death: it has let it in once, or has started it. */
  isIntroduced: boolean
  /** False while the other end of `link` lies in the main thread, which is blocked: what it is told waits there. */
  isLinkThrough: boolean
  /** Node's threadId of the supervisor that this thread was introduced to, or 0. */
  supervisorId: number
  /** Ports that only have to stay open. */
  readonly kept: MessagePort[]
  /** Thread ids whose adoption the blocked main thread has served. */
  readonly served: Set<number>
  made: number
  /** How often this thread has asked the supervisor for a memory. */
  questions: number
  /** Extensions that this thread has told the supervisor to load. */
  readonly extensions: Set<number>
  /** What this thread does before it sleeps, in whatever memory it waits. */
  readonly beforeSleep: Set<() => void>
  /** When, on this thread's clock, a blocked wait looks for the supervisor again. */
  lookAgainAt: number
}

/** This thread's state. Copies of pageframe with another layout have one of their own. */
export const threadMemories: ThreadMemories = threadState(`pageframe:${LAYOUT}`, () => ({
  known: new Map(),
  destroyed: new Destroyed(),
  module: undefined,
  defaultId: undefined,
  isRoot: false,
  hasInitialized: false,
  supervisor: undefined,
  isStartingSupervisor: false,
  link: undefined,
  isIntroduced: false,
  isLinkThrough: false,
  supervisorId: 0,
  kept: [],
  served: new Set(),
  made: 0,
  questions: 0,
  extensions: new Set(),
  beforeSleep: new Set(),
  lookAgainAt: 0,
}))
