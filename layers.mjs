/**
 * The floors of the house, bottom to top: the folders of src/. A file imports from its own folder or from a row
 * above it in this list, which is a floor below it in the house. Names in one row are siblings: they do not import
 * each other.
 *
 * Read by eslint.config.js, .dependency-cruiser.mjs and the drawn graph.
 */
export const layers = [
  // layout(), bit helpers, errno, constants: words of memory and what they mean.
  ['words'],
  // The seams to the world: instructions, doorbells, workers, clock, files. The only floor that says node: or Atomics.
  ['host'],
  // Thread slots: identity, doorbells, held locks, the operation in flight, counters.
  ['threads'],
  // The raw algorithms on (thread, address): parking lot, futex, mutex, condition, semaphore, barrier, seqlock.
  ['sync'],
  // Physical memory: frame table, buddy allocator, magazines, slabs, retirement.
  ['frames'],
  // SharedMemory, Regions, the name directory, handles, the adoption of threads, supervisor and reaper.
  ['memory'],
  // The public classes: four siblings.
  ['locks', 'channel', 'heap', 'collections'],
  // Page-table entries, page tables, TLB, MMU, shootdown and limbo.
  ['paging'],
  // Memory objects, page cache, swap areas: they know frames and blocks, never virtual addresses.
  ['storage'],
  // Address spaces: VMAs, mmap and its family, faults, fork, reverse map, reclaim.
  ['space'],
  // Name spaces and descriptors: System V shm, sem, msg; POSIX shm, sem, mq.
  ['ipc'],
  // Machine and Process: boot, process table, spawn, exit, kill, wait.
  ['machine'],
  // Two that look at all of the above: maps, smaps, meminfo, ipcs, locks; the interleaving explorer and isolated().
  ['inspect', 'testing'],
  // Commands, one file each, and the live page.
  ['cli'],
]

/** The folders that a file in src/FLOOR/ must not import from: its siblings, and every floor above. */
export function forbiddenFor(floor) {
  const row = layers.findIndex((names) => names.includes(floor))
  return layers
    .slice(row)
    .flat()
    .filter((name) => name !== floor)
}
