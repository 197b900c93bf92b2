/**
 * What is read of a process from outside, through `pageframe/inspect`: a call is the types of its arguments (calls.mjs),
 * then what it answers about a ProcessView. The areas of a process are also asked for by the process itself, whenever they
 * are asked for at all: see run-scenario.mjs.
 */

import { PAGE } from './constants.mjs'

const RANGE = { addr: 'u64', len: 'u64' }

export const VIEWS = {
  maps: [RANGE, ({ maps }, view, { addr, len }) => ({ vmas: joined(clipped(maps(view), addr, addr + len)) })],
  vma_count: [
    RANGE,
    ({ maps }, view, { addr, len }) => ({ ret: clipped(maps(view), addr, addr + len).length }),
  ],
  smaps: [RANGE, ({ smaps }, view, { addr, len }) => ({ out: sums(within(smaps(view), addr, addr + len)) })],
  procstat: [{ field: 'name' }, (inspect, view, { field }) => ({ ret: STATUS[field](inspect, view) })],
}

/** Fields of /proc/PID/status, in pages. */
export const STATUS = {
  VmSize: ({ smaps }, view) => sums(smaps(view)).size,
  VmRSS: ({ smaps }, view) => sums(smaps(view)).rss,
  RssAnon: ({ smaps }, view) => sums(smaps(view)).anonymous,
  VmLck: ({ smaps }, view) => sums(smaps(view)).locked,
}

/** Areas that overlap the range, cut to it. */
function clipped(mappings, from, to) {
  return mappings
    .filter(({ start, end }) => end > from && start < to)
    .map(({ start, end, offset, ...rest }) => ({
      ...rest,
      start: Math.max(start, from),
      end: Math.min(end, to),
      offset: offset + Math.max(0, from - start),
    }))
}

function within(mappings, from, to) {
  return mappings.filter(({ start, end }) => start >= from && end <= to)
}

/** Neighbours that no program could tell apart are one: [start, pages, perms, page offset]. */
function joined(mappings) {
  const areas = []
  for (const { start, end, perms, offset, inode } of mappings) {
    const last = areas.at(-1)
    const isNext = last?.end === start && last.perms === perms && last.inode === inode
    if (isNext && (inode === 0 || last.offset + (start - last.start) === offset)) last.end = end
    else areas.push({ start, end, perms, offset, inode })
  }
  return areas.map(({ start, end, perms, offset }) => [start, (end - start) / PAGE, perms, offset / PAGE])
}

/** Sums of areas, in pages; each is whole KiB first, as /proc prints it. */
function sums(areas) {
  const total = (...fields) =>
    areas.reduce(
      (sum, area) => sum + fields.reduce((kib, field) => kib + Math.floor((area[field] ?? 0) / 1024), 0),
      0,
    ) /
    (PAGE / 1024)
  return {
    size: total('size'),
    rss: total('rss'),
    pss: total('pss'),
    shared: total('sharedClean', 'sharedDirty'),
    private: total('privateClean', 'privateDirty'),
    anonymous: total('anonymous'),
    swap: total('swap'),
    locked: total('locked'),
  }
}
