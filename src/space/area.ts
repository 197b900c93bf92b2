/** Area: what the mutator of a space keeps in JavaScript of one of its areas: the words of the cell, and links of the tree. */

/** An area as the floors around see it. Only area-table.ts changes one; an area that is gone is empty (start = end = 0). */
export interface Area {
  /** Word index of its Vma cell. */
  readonly at: number
  /** Page numbers: the first, and the one behind the last. */
  readonly start: number
  readonly end: number
  /** VM_SHARED ... */
  readonly flags: number
  /** PROT_READ | PROT_WRITE | PROT_EXEC. */
  readonly prot: number
  readonly mayProt: number
  /** Word index of the ShmObject, or 0. */
  readonly object: number
  /** Which opening of it was mapped: a number of the process's, or 0. */
  readonly file: number
  /** Page of the object at start; of an anonymous private area its vpn when it was made. */
  readonly offset: number
  readonly anonId: number
}

/** What two areas must have in common to be one, and a new one is made from. */
export interface AreaTraits {
  readonly flags: number
  readonly prot: number
  readonly mayProt: number
  readonly object: number
  readonly file: number
}

export class AreaNode implements Area {
  at: number
  start: number
  end: number
  flags: number
  prot: number
  mayProt: number
  object: number
  file: number
  offset: number
  anonId = 0

  // The tree's (vma-tree.ts).
  left: AreaNode | undefined = undefined
  right: AreaNode | undefined = undefined
  /** The neighbours in the order of addresses. */
  prev: AreaNode | undefined = undefined
  next: AreaNode | undefined = undefined
  height = 1
  /** Pages of the largest gap that lies before an area of this subtree. */
  maxGap = 0

  constructor(at: number, start: number, end: number, traits: AreaTraits, offset: number) {
    this.at = at
    this.start = start
    this.end = end
    this.flags = traits.flags
    this.prot = traits.prot
    this.mayProt = traits.mayProt
    this.object = traits.object
    this.file = traits.file
    this.offset = offset
  }
}
