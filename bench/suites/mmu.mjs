/** What an access through the MMU costs, in both layouts, and what a window saves of it. */

import 'pageframe' // its workers inherit the memory that it makes
import { runSuite } from '../harness.mjs'
import { solo } from '../solo.mjs'

// A thread each: a V8 that has met the TLBs of both layouts would call where it could inline.
const threads = {
  lp64: await solo('mmu.mjs', { layout: 'lp64' }),
  ilp32: await solo('mmu.mjs', { layout: 'ilp32' }),
}

function row(name, layout, what, unit, goals) {
  return {
    name,
    unit,
    goals,
    contenders: () => ({
      floor: threads[layout].contender(`${what} floor`),
      ours: threads[layout].contender(`${what} ours`),
    }),
  }
}

const rows = ['lp64', 'ilp32'].flatMap((layout) => [
  row(`mmu-load-${layout}`, layout, 'load', 'ns', { floor: { atMost: layout === 'lp64' ? 8 : 4 } }),
  row(`mmu-store-${layout}`, layout, 'store', 'ns'),
  row(`mmu-random-${layout}`, layout, 'random', 'ns'),
  row(`mmu-far-${layout}`, layout, 'far', 'ns'),
])

try {
  await runSuite('mmu', [
    ...rows,
    row('window-load', 'lp64', 'window', 'ns', { floor: { atMost: 1.05 } }),
    row('copy-scattered-1MiB', 'lp64', 'copy', 'us', { floor: { atMost: 1.4 } }),
  ])
} finally {
  await Promise.all(Object.values(threads).map((thread) => thread.end()))
}
