/**
 * The inventory: which memories this thread knows, and how it comes by more.
 *
 *   root    the thread that made the default memory; usually the main thread. It starts the supervisor as soon as a
 *           first worker exists, and is slot 0 wherever it made the memory
 *   others  inherit the default memory as environment data, and are adopted by the supervisor when they first use it
 *
 * See adoption.ts for how a thread comes to run, supervisor.ts for the other side.
 */

import { collectDropped, isPlain, reserve, type Backing } from '../host/buffer.ts'
import { compileCpu } from '../host/cpu.ts'
import {
  bequeath,
  complain,
  debugMode,
  inheritedData,
  isMainThread,
  onWorkerStarted,
  threadId,
  threadName,
  type MessagePort,
  warn,
} from '../host/workers.ts'
import { MAKER_SLOT } from '../threads/slot.ts'
import type { LiveThread } from '../threads/live-thread.ts'
import { assert } from '../words/assert.ts'
import { alignUp } from '../words/bits.ts'
import { GiB, MiB, WASM_PAGE_SIZE } from '../words/constants.ts'
import { ENOMEM, EPROTO, ErrnoError } from '../words/errno.ts'
import { showBytes, usageError } from '../words/usage.ts'
import {
  adopt,
  announceSupervisor,
  askForMemory,
  giveSign,
  lookAround,
  joinByPort,
  serveAdoptions,
  startSupervisor,
  tell,
  tellWithPorts,
  watchExit,
} from './adoption.ts'
import { Attachment, attachReserved, format, liveThread, protocolMessage, view } from './attachment.ts'
import { collectNow } from './collection.ts'
import { forget, forgetDestroyed } from './forgetting.ts'
import { switchInEnvironment, warnOfEnvironment } from './lock-switch.ts'
import { destroyedError, poisonEverybody } from './poison.ts'
import { ENVIRONMENT_KEY, labelOf, type Inherited, type Offer, type Supply } from './protocol.ts'
import { LAYOUT, POISON_DESTROYED } from './superblock.ts'
import { threadMemories as state, type Known } from './thread-memories.ts'
import { VERSION } from './version.ts'

export const LEAST_BYTES = 2 * MiB
export const MOST_BYTES = 4 * GiB
const DEFAULT_SIZES = [4 * GiB, 2 * GiB, GiB, 512 * MiB, 256 * MiB, 64 * MiB]

/** Without wasm the host is short of address space, and worker threads need some too. */
const DEFAULT_SIZE_PLAIN = GiB

const COMPLAIN_AFTER_MS = 1000

/**
 * On import: the root makes the default memory and gives it to every worker that is started afterwards; a thread that
 * inherited one does nothing until it uses it.
 */
export function initialize(): void {
  if (state.hasInitialized) return
  state.hasInitialized = true
  if (inheritedData(ENVIRONMENT_KEY) === undefined) makeDefault()
  onWorkerStarted((worker) => {
    if (worker === state.supervisor || state.isStartingSupervisor) return
    startSupervisor(state)
    watchExit(state, worker)
    giveSign(state)
  })
}

/** The attachment to the memory that SharedMemory.default stands for. */
export function defaultAttachment(): Attachment {
  state.defaultId ??= inherit()
  return attachmentById(state.defaultId)
}

/** The attachment to a memory by its id; asks the supervisor for one that this thread has not met. */
export function attachmentById(id: string): Attachment {
  state.defaultId ??= inherit() // else a handle in the default memory would be asked for, and attached to twice
  const known = state.known.get(id) ?? meet(id)
  const attachment = attachmentTo(known)
  attachment.assertSound()
  return attachment
}

/** The attachment to the memory that a buffer is of, if this thread has met it. */
export function attachmentOf(buffer: ArrayBufferLike): Attachment | undefined {
  for (const { attachment } of state.known.values()) if (attachment?.buffer === buffer) return attachment
  return undefined
}

/** Makes a memory; this thread is its slot 0. `onId` is told its id before anybody else hears of it. */
export function makeMemory(
  lengthBytes: number,
  name: string,
  onId: (id: string) => void = () => undefined,
  isDebug = debugMode(),
  lockDiagnostics = switchInEnvironment(),
): Attachment {
  defaultAttachment() // the supervisor must know this thread, to hear of the memory and of its maker's death
  const size = alignUp(lengthBytes, WASM_PAGE_SIZE)
  const backing = reserve(size)
  if (backing === undefined) {
    throw new ErrnoError(ENOMEM, 'new', `the host refuses a memory of ${showBytes(size)}: make a smaller one`)
  }
  const known = enter(backing, name, isDebug, lockDiagnostics)
  onId(known.offer.id)
  const attachment = attachmentTo(known)
  announceSupervisor(state, known)
  tell(state, { pageframe: 'register', offer: known.offer })
  return attachment
}

/**
 * Makes a memory of this thread the default one, for itself and for the workers that it starts from now on. Returns what
 * undoes that.
 */
export function replaceDefault(attachment: Attachment): () => void {
  const { defaultId } = state
  const inherited = inheritedData(ENVIRONMENT_KEY) as Inherited
  const known = state.known.get(attachment.id)
  assert(known !== undefined, 'this thread knows no memory of that id')
  state.defaultId = attachment.id
  bequeath(ENVIRONMENT_KEY, { ...inherited, offer: known.offer } satisfies Inherited)
  return () => {
    state.defaultId = defaultId
    bequeath(ENVIRONMENT_KEY, inherited)
  }
}

/** Ends a memory for everybody, and gives its bytes back to the host. */
export function destroyMemory(attachment: Attachment): void {
  const lengthBytes = attachment.buffer.byteLength
  poisonEverybody(attachment, POISON_DESTROYED)
  forget(state, attachment.id)
  tell(state, { pageframe: 'forget', memory: attachment.id })
  // At once, for a loop that makes and destroys them without a pause.
  collectDropped(lengthBytes)
}

/** Has the supervisor load an extension (extension.ts), and starts it if this is the root and no worker was there yet. */
export async function extendSupervisor(
  extension: number,
  load: () => Promise<{ source: string }>,
): Promise<void> {
  defaultAttachment()
  startSupervisor(state)
  if (state.extensions.has(extension)) return
  const { source } = await load()
  tell(state, { pageframe: 'extend', extension, source })
  state.extensions.add(extension)
}

/** Tells an extension of the supervisor, and hands it ports. */
export function tellExtension(extension: number, message: unknown, ports: readonly MessagePort[]): void {
  tellWithPorts(state, { pageframe: 'to extension', extension, message }, ports)
}

/** In a thread that the supervisor has started: enters a memory, by the port that came with it. */
export function enterSpawned(supervisor: number, port: MessagePort, offer: Offer): Attachment {
  if (state.link === undefined) joinByPort(state, supervisor, port)
  if (!state.known.has(offer.id)) state.known.set(offer.id, { offer, isMaker: false, attachment: undefined })
  return attachmentById(offer.id)
}

/** Calls back before this thread sleeps in any memory. Returns what undoes it. */
export function onBeforeSleep(callback: () => void): () => void {
  state.beforeSleep.add(callback)
  for (const { attachment } of state.known.values())
    if (attachment !== undefined) heedSleep(attachment.thread)
  return () => state.beforeSleep.delete(callback)
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function makeDefault(): void {
  const whole = DEFAULT_SIZES[0]
  for (const size of DEFAULT_SIZES) {
    const backing = reserve(size)
    if (backing === undefined || (isPlain(backing) && size > DEFAULT_SIZE_PLAIN)) continue
    if (isPlain(backing)) {
      warn(
        `no WebAssembly memory could be reserved (is the address space limited, ulimit -v?): the default memory has ` +
          `${showBytes(size)} instead of ${showBytes(whole)} and slower instructions (Atomics)`,
      )
    } else if (size < whole) {
      warn(`the host refuses ${showBytes(whole)}: the default memory has ${showBytes(size)}`)
    }
    warnOfEnvironment()
    const { offer } = enter(backing, 'default', debugMode(), switchInEnvironment())
    state.defaultId = offer.id
    state.isRoot = true
    const inherited: Inherited = { layout: LAYOUT, version: VERSION, module: instructions(), offer }
    bequeath(ENVIRONMENT_KEY, inherited)
    if (!isMainThread) {
      warn(
        'this worker inherited no shared memory, since its main thread had not imported pageframe when it was started: ' +
          'it made one for itself and the workers that it starts',
      )
    }
    return
  }
  throw new ErrnoError(ENOMEM, 'new', `the host refuses even ${showBytes(DEFAULT_SIZES.at(-1) ?? 0)}`)
}

function enter(backing: Backing, name: string, isDebug: boolean, lockDiagnostics: number): Known {
  const id = `m${threadId}.${state.made++}` // see isMemoryId
  format(backing, instructions(), id, name, isDebug, lockDiagnostics)
  const known: Known = { offer: { id, name, backing }, isMaker: true, attachment: undefined }
  state.known.set(id, known)
  return known
}

function instructions(): WebAssembly.Module {
  return (state.module ??= compiled())
}

/** Where there is no WebAssembly (node --jitless) every memory is plain, and nobody looks at what stands here. */
function compiled(): WebAssembly.Module {
  const nothing: unknown = {}
  return typeof WebAssembly === 'undefined' ? (nothing as WebAssembly.Module) : compileCpu()
}

function inherit(): string {
  initialize()
  if (state.defaultId !== undefined) return state.defaultId
  const inherited = inheritedData(ENVIRONMENT_KEY) as Inherited
  if (inherited.layout !== LAYOUT) {
    throw new ErrnoError(
      EPROTO,
      'attach',
      protocolMessage(labelOf(inherited.offer), inherited.version, inherited.layout),
    )
  }
  state.module ??= inherited.module
  state.known.set(inherited.offer.id, { offer: inherited.offer, isMaker: false, attachment: undefined })
  return inherited.offer.id
}

function meet(id: string): Known {
  if (state.destroyed.has(id)) throw destroyedError(id)
  if (isMemoryId(id) && id !== state.defaultId) {
    const home = defaultAttachment() // which may be the one that was asked for, and known by now
    const known = state.known.get(id)
    if (known !== undefined) return known
    const answer = askForMemory(state, home, id)
    if (answer !== undefined) return enterSupplied(id, answer)
  }
  throw usageError(
    'ERR_PAGEFRAME_NO_MEMORY',
    state.isRoot && !isMainThread
      ? `this handle belongs to memory '${id}', which this worker shares with nobody: its main thread had not imported pageframe when it was started`
      : `this handle belongs to memory '${id}', which nobody in this process can supply any more`,
  )
}

function enterSupplied(id: string, { offer }: Supply): Known {
  if (offer === undefined) {
    state.destroyed.add(id)
    throw destroyedError(id)
  }
  const known: Known = { offer, isMaker: false, attachment: undefined }
  state.known.set(id, known)
  return known
}

/** Whether any thread can have made a memory of that id: garbage is not worth a question. */
function isMemoryId(id: string): boolean {
  return /^m\d+\.\d+$/.test(id)
}

/** This thread's place in a memory, taken now if it has none. On the way, those that are no more are let go of. */
function attachmentTo(known: Known): Attachment {
  if (known.attachment !== undefined) return known.attachment
  try {
    return (known.attachment = attach(known))
  } finally {
    // This one too, if it was destroyed meanwhile.
    if (forgetDestroyed(state)) collectNow()
  }
}

function attach(known: Known): Attachment {
  const { offer, isMaker } = known
  // Others than the root are introduced to the supervisor once, with the default memory.
  if (!isMaker && !state.isIntroduced && offer.id !== state.defaultId) defaultAttachment()
  const seen = view(offer.backing, instructions(), labelOf(offer))
  let thread
  if (isMaker) {
    const { slot, tid } = attachReserved(seen, MAKER_SLOT, threadName())
    thread = liveThread(seen, slot, tid)
  } else {
    thread = adopt(state, seen, offer, threadName())
  }
  const attachment = new Attachment(offer.id, offer.name, seen, thread)
  attachment.onDestroyed = () => {
    forget(state, offer.id)
  }
  if (state.beforeSleep.size > 0) heedSleep(thread)
  let complainedOf: unknown
  thread.onSlice = (sinceMs) => {
    if (sinceMs > 0) lookAround(state)
    attachment.assertSound()
    if (sinceMs === 0) return
    serveBlockedMain()
    const { awaited } = attachment
    if (!isMainThread || sinceMs < COMPLAIN_AFTER_MS || awaited === undefined || awaited === complainedOf)
      return
    complainedOf = awaited
    complain(`pageframe: the main thread is blocked: ${awaited.describe()}`)
  }
  return attachment
}

function heedSleep(thread: LiveThread): void {
  thread.beforeSleep = () => {
    for (const callback of state.beforeSleep) callback()
  }
}

function serveBlockedMain(): void {
  if (!isMainThread || state.defaultId === undefined) return
  const home = state.known.get(state.defaultId)?.attachment
  if (home !== undefined) serveAdoptions(state, home)
}
