/**
 * Process: what a program sees of itself: its memory, its system calls, its end. In the thread that runs it only.
 *
 *   load, store, read, write, copy, fill     by way of the MMU: SegmentationFault, BusError              paging/mmu.ts
 *   mmap munmap mprotect                     areas                                                       space/areas.ts
 *   shmOpen shmUnlink ftruncate fstat        objects and their names                                     ipc/posix-shm.ts
 *   close dup                                descriptors                                                 ipc/descriptors.ts
 *   semInit mutexLock futexWait ...          locks and the like, at addresses                            sync/*-calls.ts
 *   exit                                     the status, then the thread                                 reaper.ts
 *
 * System calls take Linux's arguments and throw its errors: `error.code` is 'EINVAL', `error.syscall` 'mmap'.
 */

import { endThread } from '../host/spawning.ts'
import { isMainThread } from '../host/workers.ts'
import { onBeforeSleep } from '../memory/inventory.ts'
import { Descriptors, type Open } from '../ipc/descriptors.ts'
import { fstat, ftruncate, shmOpen, shmUnlink, type ShmNames, type Stat } from '../ipc/posix-shm.ts'
import type { Walk } from '../paging/explain.ts'
import type { Mmu } from '../paging/mmu.ts'
import { Space } from '../space/space.ts'
import type { Window } from '../space/window.ts'
import { checked } from '../words/errno.ts'
import { assertOptions, typeError, usageError } from '../words/usage.ts'
import { toInt, toNumber, toText } from './arguments.ts'
import type { Child } from './child.ts'
import type { MachineKernel } from './kernel-of.ts'
import { MachineHeader, ProcessSlot } from './process-slot.ts'
import { asked, setExitCode } from './process-table.ts'
import { spawn, type SpawnOptions } from './spawn.ts'
import { FutexCalls } from './sync/futex-calls.ts'
import { NamedSemaphores } from './sync/named-semaphores.ts'
import { SyncWords } from './sync/words.ts'

export class Process extends FutexCalls {
  /** Its address space, for the floors above. */
  declare readonly space: Space
  declare private readonly mmu: Mmu
  readonly #descriptors: Descriptors
  readonly #wakeful: () => void
  readonly #machine: MachineKernel

  /** Of the thread that runs it: see start.ts and machine.ts. */
  constructor(kernel: MachineKernel, index: number) {
    super(kernel, index)
    this.#machine = kernel
    const at = this.spaceAt
    const space = new Space(kernel, at)
    this.space = space
    this.mmu = space.mmu
    this.#descriptors = new Descriptors(kernel, at + ProcessSlot.descriptors, at)
    const names: ShmNames = { kernel, namesLockAt: kernel.headerAt + MachineHeader.shmNames }
    const sync = new SyncWords(space, at + ProcessSlot.held)
    const semaphores = new NamedSemaphores(sync, names, this.#descriptors)
    for (const [key, value] of Object.entries({ sync, semaphores, names })) {
      Object.defineProperty(this, key, { value })
    }
    this.#wakeful = onBeforeSleep(() => {
      space.presence.goOffline()
    })
    space.presence.atSafepoint = () => {
      this.#lookIfAsked()
    }
    const { attachment } = kernel
    const before = attachment.thread.onSlice
    attachment.thread.onSlice = (sinceMs) => {
      // In a wait of the program's own, that is: in one for a lock of the kernel nobody ends.
      if (attachment.awaited !== undefined) this.#lookIfAsked()
      before?.(sinceMs)
    }
  }

  // ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An unsigned byte. */
  load8(addr: number): number {
    return this.mmu.load8(addr)
  }

  /** Unsigned, 16 bits, little-endian; at any alignment, as all of these. */
  load16(addr: number): number {
    return this.mmu.load16(addr)
  }

  /** Signed, 32 bits: C's int. */
  load32(addr: number): number {
    return this.mmu.load32(addr)
  }

  /** Signed, 64 bits. */
  load64(addr: number): bigint {
    return this.mmu.load64(addr)
  }

  loadF32(addr: number): number {
    return this.mmu.loadF32(addr)
  }

  loadF64(addr: number): number {
    return this.mmu.loadF64(addr)
  }

  /** The lowest 8 bits of a number. */
  store8(addr: number, value: number): void {
    this.mmu.store8(addr, value)
  }

  store16(addr: number, value: number): void {
    this.mmu.store16(addr, value)
  }

  store32(addr: number, value: number): void {
    this.mmu.store32(addr, value)
  }

  store64(addr: number, value: bigint): void {
    this.mmu.store64(addr, value)
  }

  storeF32(addr: number, value: number): void {
    this.mmu.storeF32(addr, value)
  }

  storeF64(addr: number, value: number): void {
    this.mmu.storeF64(addr, value)
  }

  /** Adds to 32 bits in one step that nobody comes between; what they were, signed. At a multiple of 4 only. */
  add32(addr: number, value: number): number {
    return this.mmu.add32(addr, value)
  }

  /** Copies the bytes at an address out of the space. */
  read(addr: number, into: Uint8Array): void {
    this.mmu.read(addr, into)
  }

  /** Copies bytes into the space. */
  write(addr: number, from: Uint8Array): void {
    this.mmu.write(addr, from)
  }

  /** Copies within the space: memmove. */
  copy(to: number, from: number, length: number): void {
    this.mmu.copy(to, from, length)
  }

  /** Sets every byte of a range: memset. */
  fill(addr: number, value: number, length: number): void {
    this.mmu.fill(addr, value, length)
  }

  /**
   * A view of [addr, addr + length), pinned: nothing is translated or checked any more. Ends with dispose(), and survives
   * munmap() until then.
   */
  window(addr: number, length: number): Window {
    this.enter()
    return this.space.window(addr, length)
  }

  /** How an address is translated at the moment, level by level. */
  explain(addr: number): Walk {
    this.enter()
    return this.space.explain(addr)
  }

  /** Faults so far: minor, those that needed no I/O, and major. */
  get faults(): { readonly minor: number; readonly major: number } {
    return this.space.faults
  }

  // ── system calls ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * mmap(2): maps `length` bytes and returns the address. `addr` null leaves the place to the kernel. Without MAP_ANONYMOUS
   * `fd` and `offset` say what is mapped.
   *
   * Throws EINVAL, EBADF, EACCES, EEXIST (MAP_FIXED_NOREPLACE), ENOMEM, ENODEV, EOVERFLOW, EPERM.
   */
  mmap(addr: number | null, length: number, prot: number, flags: number, fd = -1, offset = 0): number {
    this.enter()
    const wanted = addr === null ? 0 : toNumber('mmap', 'addr', addr)
    const bytes = toNumber('mmap', 'length', length)
    const protection = toInt('mmap', 'prot', prot)
    const how = toInt('mmap', 'flags', flags)
    const open = this.#descriptors.get(toInt('mmap', 'fd', fd))
    const from = toNumber('mmap', 'offset', offset)
    const backing: Open | undefined = typeof open === 'number' ? undefined : open
    return checked(this.space.areas.mmap(wanted, bytes, protection, how, backing, from), 'mmap')
  }

  /** munmap(2): nothing is mapped in the range any more. Throws EINVAL, ENOMEM. */
  munmap(addr: number, length: number): void {
    this.enter()
    checked(
      this.space.areas.munmap(toNumber('munmap', 'addr', addr), toNumber('munmap', 'length', length)),
      'munmap',
    )
  }

  /** mprotect(2). Throws EINVAL, EACCES, ENOMEM where the range is not mapped as a whole. */
  mprotect(addr: number, length: number, prot: number): void {
    this.enter()
    const start = toNumber('mprotect', 'addr', addr)
    const bytes = toNumber('mprotect', 'length', length)
    checked(this.space.areas.mprotect(start, bytes, toInt('mprotect', 'prot', prot)), 'mprotect')
  }

  /**
   * shm_open(3): a descriptor of the shared memory of that name. With `contiguous` a new one is one run of frames, which one
   * typed array can cover. Throws EINVAL, ENOENT, EEXIST, EMFILE, ENAMETOOLONG, ENOMEM.
   */
  shmOpen(name: string, oflag: number, mode = 0o600, options: { contiguous?: boolean } = {}): number {
    const text = toText('shmOpen', name)
    const flags = toInt('shmOpen', 'oflag', oflag)
    const bits = toInt('shmOpen', 'mode', mode)
    assertOptions('shmOpen()', options)
    const { contiguous = false } = options
    if (typeof contiguous !== 'boolean')
      throw typeError('shmOpen()', 'contiguous', 'true or false', contiguous)
    this.enter() // after the getters of options: one may dispose the machine
    return checked(shmOpen(this.names, this.#descriptors, text, flags, bits, { contiguous }), 'shm_open')
  }

  /** shm_unlink(3): takes the name away; the memory stays while something refers to it. Throws ENOENT, ENAMETOOLONG. */
  shmUnlink(name: string): void {
    this.enter()
    checked(shmUnlink(this.names, toText('shmUnlink', name)), 'shm_unlink')
  }

  /** ftruncate(2): the size, in bytes. What is cut off is gone for everybody. Throws EBADF, EINVAL, EFBIG, ENOMEM. */
  ftruncate(fd: number, length: number): void {
    this.enter()
    checked(
      ftruncate(this.#descriptors, toInt('ftruncate', 'fd', fd), toNumber('ftruncate', 'length', length)),
      'ftruncate',
    )
  }

  /** fstat(2). Throws EBADF. */
  fstat(fd: number): Stat {
    this.enter()
    const stat = fstat(this.#descriptors, toInt('fstat', 'fd', fd))
    if (typeof stat === 'number') checked(stat, 'fstat')
    return stat as Stat
  }

  /** close(2). Throws EBADF. */
  close(fd: number): void {
    this.enter()
    checked(this.#descriptors.close(toInt('close', 'fd', fd)), 'close')
  }

  /** dup(2): another number for the same. Throws EBADF, EMFILE. */
  dup(fd: number): number {
    this.enter()
    return checked(this.#descriptors.dup(toInt('dup', 'fd', fd)), 'dup')
  }

  // ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a process whose parent is this one: as Machine.spawn(). */
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  async spawn<A>(entry: URL | string, options: SpawnOptions<A> = {}): Promise<Child> {
    return spawn(this.#machine, this.pid, entry, options)
  }

  // ── its life ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * For loops that touch no memory: lets others take frames away that this process may have translated, and ends the process
   * if somebody has asked it to. Every access and every blocked wait does the same.
   */
  safepoint(): void {
    this.space.presence.sync()
  }

  /** Ends this process, and its thread, at once: nothing after this line runs, no `finally` either. */
  exit(code = 0): never {
    const status = toInt('exit', 'code', code) & 0xff
    if (isMainThread) {
      throw usageError(
        'ERR_PAGEFRAME_NOT_SPAWNED',
        'exit(): this process is the main thread, which goes on after its machine; dispose the machine instead',
      )
    }
    setExitCode(this.kernel.attachment.cpu, this.spaceAt, status)
    this.space.presence.retire()
    return endThread(status)
  }

  /** Somebody has asked this process to end: it does. The main thread is not asked. */
  #lookIfAsked(): void {
    if (isMainThread || this.kernel.attachment.cpu.load(this.spaceAt + asked) === 0) return
    endThread(1) // without a status: then the signal is
  }

  /** For start.ts: the supervisor says that somebody has asked. */
  onAsked(): void {
    this.#lookIfAsked()
  }

  /** For Machine: it is over, and its thread goes on. */
  retire(): void {
    this.space.presence.retire()
    this.#wakeful()
  }
}
