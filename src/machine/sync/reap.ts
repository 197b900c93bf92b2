/**
 * What the reaper does about a dead process's robust mutexes, before its space is taken apart: each that it held is
 * OWNER_DIED, and one who waits for it is woken.
 *
 * The table of the dead process says where an address lies. Inside the kernel frames stay what they are, so a truncation
 * that takes the page away meanwhile does no harm. May be repeated: a mutex that was released has another owner by then.
 */

import { PageTable } from '../../paging/table.ts'
import { isPresent, pfnOf } from '../../paging/pte.ts'
import type { Kernel } from '../../space/kernel.ts'
import { SpaceState } from '../../space/space-state.ts'
import { releaseDead } from '../../sync/mutex.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../words/constants.ts'
import { heldAddresses } from './held-mutexes.ts'
import { isHeldRobust } from './mutex.ts'
import { ProcessObject } from './object.ts'

const { raw } = ProcessObject

/** Throws MustNotBlock, as all steps of the reaper. */
export function releaseHeldMutexes(kernel: Kernel, spaceAt: number, heldWordAt: number, dead: number): void {
  const { attachment, layout } = kernel
  const { cpu, frames, lot } = attachment
  if (cpu.load(heldWordAt) === 0) return
  const table = new PageTable(frames, layout, spaceAt + SpaceState.root, spaceAt)
  let vpn = -1
  let pte = 0
  frames.enterKernel()
  try {
    for (const address of heldAddresses(attachment, heldWordAt)) {
      if (address >= layout.taskSize) continue
      const offset = address % PAGE_SIZE
      const page = (address - offset) / PAGE_SIZE
      if (page !== vpn) {
        const entryAt = table.find(page)
        pte = entryAt === 0 ? 0 : cpu.load(entryAt)
        vpn = page
      }
      const at = pfnOf(pte) * PAGE_WORDS + (offset >>> 2)
      if (isPresent(pte) && isHeldRobust(attachment, at, dead)) releaseDead(lot, at + raw, dead)
    }
  } finally {
    frames.leaveKernel()
  }
}
