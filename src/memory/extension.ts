/**
 * Extensions of the supervisor: what the floors above this one add to it, when somebody first needs them.
 *
 *   thread ── Extend, with a bundle's source ──► supervisor ── extend(host) ──► SupervisorExtension
 *
 * The supervisor that everybody starts knows memories, locks and channels. A machine needs more of it (its processes are
 * spawned there, and what their address spaces held returns there), and brings that along: so who boots no machine pays for
 * none. An extension runs in the supervisor's thread: it never blocks, and what would have to wait throws MustNotBlock.
 */

import type { MessagePort } from '../host/workers.ts'
import type { Attachment } from './attachment.ts'
import type { KindRepair } from './reaper.ts'

export interface SupervisorExtension {
  /** The reaper's steps for more kinds of objects. */
  readonly repairs: readonly KindRepair[]
  /** A dead thread, before all kinds: what it was in the middle of becomes whole. May be repeated, like the next. */
  readonly mend: (attachment: Attachment, dead: number) => void
  /** What it held that is no object of a kind. After all kinds, before its names and frames. */
  readonly reap: (attachment: Attachment, dead: number) => void
  /** A dead thread's slots in a memory are free. Its worker may not have exited yet. */
  readonly onReaped: (attachment: Attachment, threadId: number) => void
  /** The host says that a worker is gone, with everything that it was in the middle of. */
  readonly onExit: (threadId: number) => void
  readonly onMessage: (message: unknown) => void
  /** A memory was destroyed. */
  readonly onForgotten: (memory: string) => void
  /** What does not add up in a memory at rest, in sentences. */
  readonly check: (attachment: Attachment) => Iterable<string>
}

/** What an extension may ask of the supervisor. */
export interface SupervisorHost {
  /** The supervisor's own place in a memory that it keeps. */
  readonly attachmentOf: (memory: string) => Attachment | undefined
  /** Listens for a thread's messages and for its death, as if it had been adopted. */
  readonly watch: (threadId: number, port: MessagePort) => void
  /** The JavaScript of a thread is dead. */
  readonly onDeath: (threadId: number) => void
  /** Ends a memory that nobody is left to end. */
  readonly abandon: (memory: string) => void
}

/** What the source of an extension exports. */
export interface ExtensionModule {
  readonly extend: (host: SupervisorHost) => SupervisorExtension
}
