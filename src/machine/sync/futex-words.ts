/** The words of a wait for many: more than a process has places for (paging/held-frames.ts), so they are pinned as a view's are. */

import { OFFLINE } from '../../paging/presence.ts'
import { PAGE_WORDS } from '../../words/constants.ts'
import type { SyncWords } from './words.ts'

/** Word indices, and what Pins.unpin() takes when they are not looked at any more. -ENOMEM. */
export function pinWords(
  { space }: SyncWords,
  wanted: readonly { readonly address: number }[],
): { readonly words: readonly number[]; readonly cells: readonly number[] } | number {
  const { mmu, presence } = space
  const { pins, limbo } = space.kernel
  const failed = limbo.prepare()
  if (failed < 0) return failed
  for (;;) {
    presence.sync()
    const { syncs } = presence
    const words = wanted.map(({ address }) => mmu.wordOf(address, 'read'))
    const frames = [...new Set(words.map((word) => Math.floor(word / PAGE_WORDS)))]
    const cells = pins.pin(
      frames.map((pfn) => ({ pfn, count: 1 })),
      space.at,
    )
    if (typeof cells === 'number') return cells
    // Published before this thread has acknowledged anything or gone offline: as in HeldFrames.hold().
    if (presence.syncs === syncs && presence.seen !== OFFLINE) return { words, cells }
    pins.unpin(cells)
  }
}
