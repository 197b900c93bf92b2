/**
 * What threads and their supervisor say to each other. Control only, never data: a few messages in a thread's life.
 *
 *   thread ──(by way of the main thread)──► supervisor    Adopt     with the private port that all the rest goes over
 *   thread ──port──► supervisor                           Attach, Register, Forget, Want, Alive, Exited
 *   thread ──port──► supervisor                           Extend, then messages of the extension
 *   thread ──broadcast──► supervisor                      Aside     one of these, while the port lies in the main thread
 *   supervisor ──broadcast──► thread                      Supply    to a thread that sleeps until it comes
 *   supervisor ──port──► every thread                     Forgotten
 *   main ──(postMessageToThread)──► thread                Ported    the other end of a port that main made for it
 */

import type { Backing } from '../host/buffer.ts'
import type { MessagePort } from '../host/workers.ts'

/** A memory as it is posted: cloning shares the bytes. */
export interface Offer {
  readonly id: string
  readonly name: string
  readonly backing: Backing
}

/** What messages call a memory: its name, or its id. */
export function labelOf({ id, name }: Pick<Offer, 'id' | 'name'>): string {
  return name === '' ? id : name
}

/** "Listen for my death on this port; then my slot in that memory may run." */
export interface Adopt {
  readonly pageframe: 'adopt'
  readonly threadId: number
  readonly memory: string
  readonly tid: number
  readonly port: MessagePort
  /** Main made the port, while it was blocked; the thread has not got its end yet. */
  readonly byMain: boolean
}

/** "I have a slot in one more memory." */
export interface Attach {
  readonly pageframe: 'attach'
  readonly memory: string
  readonly tid: number
}

/** "I made a memory." */
export interface Register {
  readonly pageframe: 'register'
  readonly offer: Offer
}

/** "That memory was destroyed." */
export interface Forget {
  readonly pageframe: 'forget'
  readonly memory: string
}

/** "Who can supply this memory? Ring that bell when you have broadcast it." */
export interface Want {
  readonly pageframe: 'want'
  readonly memory: string
  readonly ringIn: string
  readonly ringAt: number
  readonly replyTo: string
}

/** The answer. Without an offer: that memory was destroyed. */
export interface Supply {
  readonly pageframe: 'supply'
  readonly memory: string
  readonly offer: Offer | undefined
}

/** "That memory was destroyed: let go of it." */
export interface Forgotten {
  readonly pageframe: 'forgotten'
  readonly memory: string
}

/** "Is anybody there?" That it cannot be posted is the answer. */
export interface Alive {
  readonly pageframe: 'alive'
}

/** "A worker that I made has ended": what its creator hears from Node. */
export interface Exited {
  readonly pageframe: 'exited'
  readonly threadId: number
}

/** "From now on you can do this too": source that the supervisor loads, once for each `extension` (extension.ts). */
export interface Extend {
  readonly pageframe: 'extend'
  readonly extension: number
  readonly source: string
}

/** What is for an extension, and means something to it only. */
export interface ToExtension {
  readonly pageframe: 'to extension'
  readonly extension: number
  readonly message: unknown
}

/** From the main thread, while it blocks: a port to the supervisor for a thread that waits to be adopted. */
export interface Ported {
  readonly pageframe: 'ported'
  readonly port: MessagePort
}

/** What a thread says past its port. The supervisor may have heard of its death before it hears this. */
export interface Aside {
  readonly pageframe: 'aside'
  readonly from: number
  readonly message: ByPort
}

export type ByPort = Exclude<ToSupervisor, Adopt>
export type ToSupervisor = Adopt | Attach | Register | Forget | Want | Alive | Exited | Extend | ToExtension

/** What the supervisor is started with. */
export interface SupervisorData {
  readonly module: WebAssembly.Module
  /** Taken out when they are read: what a worker was started with stays as long as it does. */
  readonly offers: Offer[]
  /** Ids of memories that are no more. */
  readonly destroyed: readonly string[]
  readonly port: MessagePort
}

/** What a worker inherits, as environment data under ENVIRONMENT_KEY. */
export interface Inherited {
  readonly layout: number
  readonly version: string
  readonly module: WebAssembly.Module
  readonly offer: Offer
}

/** The names under which is broadcast: to the supervisor that is this thread, and from it to another. */
export function supervisorChannel(supervisor: number): string {
  return `pageframe supervisor ${supervisor}`
}

/**
 * For one answer only. To close a channel takes a turn of the event loop: until then it would hear the later answers too, and
 * keep the memories in them.
 */
export function supplyChannel(supervisor: number, threadId: number, question: number): string {
  return `pageframe supervisor ${supervisor} to ${threadId}, ${question}`
}

export const ENVIRONMENT_KEY = 'pageframe'

export function isProtocol(message: unknown, kind: string): boolean {
  return (
    typeof message === 'object' && message !== null && (message as { pageframe?: unknown }).pageframe === kind
  )
}
