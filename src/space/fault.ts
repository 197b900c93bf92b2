/**
 * Page faults: Linux's decision tree. Each branch links a frame to one entry, or says which signal it is.
 *
 *   no area at the address                                   SIGSEGV, SEGV_MAPERR
 *   its protection does not permit the access                SIGSEGV, SEGV_ACCERR
 *   entry   area                access
 *   none    anonymous, private  read      the zero page, read-only          private-page.ts
 *                               write     a zeroed frame of its own
 *           object, private     write     a copy of the object's page       behind its end: SIGBUS, BUS_ADRERR
 *           object              else      the object's page, and on a read  object-page.ts; the same
 *                                         those around it that exist
 *   present object, shared      write     WRITE is set
 *           private             write     a frame of its own: WRITE is set; else: a copy of what it shows
 *   TAKEN                                 another thread takes the page away: wait until it has, look again
 *
 * READ is also permitted where there is PROT_WRITE or PROT_EXEC only, as on x86. Windows ask for OWN: a page that stays
 * the process's while they are open, so on private areas a frame of its own even if it is only read (Linux:
 * FAULT_FLAG_UNSHARE).
 *
 * Entries are changed by compareExchange from what was seen; who loses looks again. Whoever could not get a frame waits for
 * frames in limbo, 10 ms at most, and tries once more.
 *
 * Counted is what Linux counts (task->min_flt): faults that were resolved, one for each however many pages came with it; not
 * those that ended in a signal.
 *
 * See: arch/x86/mm/fault.c do_user_addr_fault(), mm/memory.c handle_pte_fault().
 */

import type { AccessKind } from '../paging/translation.ts'
import { ACCESSED, DIRTY, EXCLUSIVE, isMarker, isPresent, TAKEN, WRITE } from '../paging/pte.ts'
import { BusError, SegmentationFault } from '../paging/signals.ts'
import { AssertionError } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { ENOMEM, ErrnoError } from '../words/errno.ts'
import type { Area } from './area.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from './constants.ts'
import { mapObjectPage } from './object-page.ts'
import { AGAIN, BEYOND, DONE, OWN, READ, WRITING, type Want } from './outcome.ts'
import { copyOfObjectPage, copyOnWrite, zeroPage, zeroedPage } from './private-page.ts'
import type { SpaceParts } from './parts.ts'
import { VM_SHARED } from './vma.ts'

const PROT_ANY = PROT_READ | PROT_WRITE | PROT_EXEC

const LIMBO_WAIT_MS = 10

/** What Space.fault() does. */
export function resolveFault(space: SpaceParts, address: number, access: AccessKind): void {
  const vpn = Math.floor(address / PAGE_SIZE)
  const area = areaAt(space, vpn)
  if (area === undefined) throw new SegmentationFault('SEGV_MAPERR', address)
  const needed = access === 'write' ? PROT_WRITE : PROT_ANY
  if ((area.prot & needed) === 0) throw new SegmentationFault('SEGV_ACCERR', address)
  if (!resolvePage(space, area, vpn, access === 'write' ? WRITING : READ)) {
    throw new BusError('BUS_ADRERR', address)
  }
}

/** The area of a page, which may be any number. */
function areaAt(space: SpaceParts, vpn: number): Area | undefined {
  return vpn >= 0 && vpn * PAGE_SIZE < space.kernel.layout.taskSize ? space.areas.find(vpn) : undefined
}

/** A page of an area whose protection permits it. False: it lies behind the end of the object. */
export function resolvePage(space: SpaceParts, area: Area, vpn: number, want: Want): boolean {
  for (let hasWaited = false; ;) {
    const result = attempt(space, area, vpn, want)
    if (result === DONE) {
      space.countMinorFault()
      return true
    }
    if (result === BEYOND) return false
    if (result === AGAIN) continue
    if (hasWaited) throw outOfMemory(space)
    hasWaited = true
    relieve(space)
  }
}

function attempt(space: SpaceParts, area: Area, vpn: number, want: Want): number {
  const at = space.table.ensure(vpn)
  if (at < 0) return at
  // Acquire: pairs with the compareExchange of whoever links or takes away.
  const pte = space.cpu.load(at)
  if (pte === 0) return emptyEntry(space, area, vpn, at, want)
  if (isPresent(pte)) return presentEntry(space, area, vpn, at, pte, want)
  if (!isMarker(pte, TAKEN)) {
    throw new AssertionError(`page ${vpn} is hidden (${pte}), and its area can be accessed`)
  }
  space.frames.thread.awaitChange(at, pte)
  return AGAIN
}

function emptyEntry(space: SpaceParts, area: Area, vpn: number, at: number, want: Want): number {
  if (area.object === 0) {
    return want === READ ? zeroPage(space, at) : zeroedPage(space, area, vpn, at, 0)
  }
  const isShared = (area.flags & VM_SHARED) !== 0
  if (want === READ || isShared) return mapObjectPage(space, area, vpn, at, want)
  return copyOfObjectPage(space, area, vpn, at, 0)
}

function presentEntry(
  space: SpaceParts,
  area: Area,
  vpn: number,
  at: number,
  pte: number,
  want: Want,
): number {
  const isOurs = (area.flags & VM_SHARED) !== 0 || (pte & EXCLUSIVE) !== 0
  if (want === READ || (want === OWN && isOwned(area, pte))) return DONE
  if (!isOurs) return copyOnWrite(space, area, vpn, at, pte)
  const used = pte | WRITE | DIRTY | ACCESSED
  return space.cpu.compareExchange(at, pte, used) === pte ? DONE : AGAIN
}

/** Memory is out: what is in limbo may come back in a moment. */
function relieve(space: SpaceParts): void {
  const { frames, kernel } = space
  frames.drainRetired()
  if (kernel.limbo.pending > 0) kernel.limbo.wait(LIMBO_WAIT_MS)
}

function outOfMemory(space: SpaceParts): ErrnoError {
  return new ErrnoError(ENOMEM, 'fault', space.kernel.attachment.noMemory('Process', PAGE_SIZE))
}

/**
 * The entry of the page at an address, as a window wants it: resident, and the process's own where its area is private.
 * Throws as an access would.
 */
export function ownPage(space: SpaceParts, address: number): number {
  const vpn = Math.floor(address / PAGE_SIZE)
  const area = areaAt(space, vpn)
  if (area === undefined) throw new SegmentationFault('SEGV_MAPERR', address)
  if ((area.prot & PROT_ANY) === 0) throw new SegmentationFault('SEGV_ACCERR', address)
  for (;;) {
    const at = space.table.find(vpn)
    const pte = at === 0 ? 0 : space.cpu.load(at)
    if (isOwned(area, pte)) return pte
    if (!resolvePage(space, area, vpn, OWN)) throw new BusError('BUS_ADRERR', address)
  }
}

/** True if an entry of the area is as a window wants it. */
function isOwned(area: Area, pte: number): boolean {
  if (!isPresent(pte)) return false
  if ((area.flags & VM_SHARED) === 0 && (pte & EXCLUSIVE) === 0) return false
  return (area.prot & PROT_WRITE) === 0 || (pte & (WRITE | DIRTY)) === (WRITE | DIRTY)
}

/** What Space.populate() does: read or, in private areas that can be written, write faults. */
export function populateRange(space: SpaceParts, from: number, to: number): void {
  for (let vpn = from; vpn < to; vpn++) {
    const area = areaAt(space, vpn)
    if (area === undefined || (area.prot & PROT_ANY) === 0) return
    const wantsWrite = (area.flags & VM_SHARED) === 0 && (area.prot & PROT_WRITE) !== 0
    const at = space.table.find(vpn)
    const pte = at === 0 ? 0 : space.cpu.load(at)
    if (isPresent(pte) && (!wantsWrite || (pte & WRITE) !== 0)) continue
    if (!populatePage(space, area, vpn, wantsWrite ? WRITING : READ)) return
  }
}

function populatePage(space: SpaceParts, area: Area, vpn: number, want: Want): boolean {
  try {
    return resolvePage(space, area, vpn, want)
  } catch (error) {
    if (error instanceof ErrnoError) return false
    throw error
  }
}
