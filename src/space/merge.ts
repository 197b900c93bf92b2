/**
 * When two areas can be one, by Linux's rules (6.18, mm/vma.c: is_mergeable_vma, is_mergeable_anon_vma, can_vma_merge_*).
 *
 *   the same flags, protection, object and file; offsets that go on; and private pages of one family: the same anonId, or none
 *
 * A family is what Linux calls anon_vma: which areas may hold private pages that were made as pages of one area. Two areas
 * that were written to before they became neighbours stay two for ever, unless the second one had joined the first's
 * family at its first private page (familyFor: find_mergeable_anon_vma). Two openings of one object are two files; dup()
 * gives another number for the same.
 */

import type { Area, AreaTraits } from './area.ts'

/** A piece that wants to merge: where, what it is, and its family. */
export interface Piece {
  readonly start: number
  readonly end: number
  readonly traits: AreaTraits
  readonly offset: number
  readonly anonId: number
}

function isAlike(area: Area, traits: AreaTraits): boolean {
  return (
    area.flags === traits.flags &&
    area.prot === traits.prot &&
    area.mayProt === traits.mayProt &&
    area.object === traits.object &&
    area.file === traits.file
  )
}

function areOneFamily(first: number, second: number): boolean {
  return first === 0 || second === 0 || first === second
}

/** True if the piece can go on where `prev` ends. */
export function canFollow(prev: Area | undefined, piece: Piece): prev is Area {
  return (
    prev?.end === piece.start &&
    isAlike(prev, piece.traits) &&
    areOneFamily(prev.anonId, piece.anonId) &&
    prev.offset + (prev.end - prev.start) === piece.offset
  )
}

/** True if `next` can begin with the piece. */
export function canPrecede(next: Area | undefined, piece: Piece): next is Area {
  return (
    next?.start === piece.end &&
    isAlike(next, piece.traits) &&
    areOneFamily(next.anonId, piece.anonId) &&
    piece.offset + (piece.end - piece.start) === next.offset
  )
}

/** True if both neighbours of a piece, each of which can take it, can also be one with each other. */
export function canClose(prev: Area, next: Area): boolean {
  return areOneFamily(prev.anonId, next.anonId)
}

/** The family that an area's first private page joins: the next neighbour's, the previous one's, or 0: a new one. */
export function familyFor(area: Area, prev: Area | undefined, next: Area | undefined): number {
  if (next !== undefined && areSiblings(area, next) && next.anonId !== 0) return next.anonId
  if (prev !== undefined && areSiblings(prev, area)) return prev.anonId
  return 0
}

/** As areas that can merge, but for their protection: mprotect() may make it the same (anon_vma_compatible). */
function areSiblings(first: Area, second: Area): boolean {
  return (
    first.end === second.start &&
    first.object === second.object &&
    first.file === second.file &&
    first.flags === second.flags &&
    first.mayProt === second.mayProt &&
    second.offset === first.offset + (second.start - first.start)
  )
}
