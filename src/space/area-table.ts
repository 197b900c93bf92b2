/**
 * AreaTable: the areas of a space as its mutator keeps them: the cells (the truth), and the tree over them (the index).
 *
 *   begin()   sequence = odd     foreign readers wait (areasOf)
 *     change(object, () => ...)  object's lock ─► cells, references, tree ─► unlock
 *   end()     sequence = even
 *
 * A whole system call lies between begin() and end(), so a foreign reader sees all of it or nothing. Truncation of an
 * object reads its areas under the object's lock instead (mappingsOf): what a change does to one object's areas is one
 * critical section, and inside it a page that was covered by an area stays covered: first the one that grows, then the one
 * that shrinks or goes.
 *
 * A death in a change: the lock's next holder recounts the references (storage). Areas may overlap then, which nobody minds
 * who ends the space (dropAreas).
 */

import type { Cpu } from '../host/cpu.ts'
import type { Frames } from '../frames/frames.ts'
import { ENOMEM } from '../words/errno.ts'
import { AreaNode, type AreaTraits } from './area.ts'
import type { Kernel } from './kernel.ts'
import { SpaceState } from './space-state.ts'
import { Vma } from './vma.ts'
import { cellsOfSpace, storeBounds, storeTraits } from './vma-cells.ts'
import { VmaTree } from './vma-tree.ts'

const { sequence, areaCount } = SpaceState

/** Linux's vm.max_map_count. */
export const MAX_AREAS = 65_530

export class AreaTable {
  readonly tree = new VmaTree()
  declare private readonly kernel: Kernel
  declare private readonly cpu: Cpu
  declare private readonly frames: Frames
  declare private readonly spaceAt: number
  #count = 0
  #depth = 0

  /** Takes the space over from whoever was its mutator. */
  constructor(kernel: Kernel, spaceAt: number) {
    this.kernel = kernel
    this.cpu = kernel.attachment.cpu
    this.frames = kernel.attachment.frames
    this.spaceAt = spaceAt
    if (this.cpu.load(spaceAt + areaCount) === 0) return
    for (const cell of cellsOfSpace(kernel, spaceAt)) {
      const node = new AreaNode(cell.at, cell.start, cell.end, cell, cell.offset)
      node.anonId = cell.anonId
      this.tree.insert(node)
      this.#count++
    }
  }

  /** Areas of the space (Linux: map_count). */
  get count(): number {
    return this.#count
  }

  begin(): void {
    if (this.#depth++ > 0) return
    // Pairs with the loads in areasOf(), as the store in end().
    const at = this.spaceAt + sequence
    this.cpu.store(at, (this.cpu.plainLoad(at) + 1) | 0)
  }

  end(): void {
    if (--this.#depth > 0) return
    const { cpu, spaceAt } = this
    cpu.store(spaceAt + areaCount, this.#count)
    cpu.store(spaceAt + sequence, (cpu.plainLoad(spaceAt + sequence) + 1) | 0)
  }

  /** A cell for an area to be, or -ENOMEM. Taken before anything has changed, for there is no way back afterwards. */
  newCell(): number {
    const at = this.frames.allocCell(Vma.signature, Vma.sizeof)
    return at < 0 ? -ENOMEM : at
  }

  freeCell(at: number): void {
    if (at > 0) this.frames.freeCell(at)
  }

  /** Runs `work`, which changes areas of one object (or of none, 0), with the object locked. */
  change(object: number, work: () => void): void {
    if (object === 0) work()
    else this.kernel.objects.withLock(object, work)
  }

  // ── inside change() ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A new area in a cell of newCell(). */
  addLocked(
    cell: number,
    start: number,
    end: number,
    traits: AreaTraits,
    offset: number,
    anonId = 0,
  ): AreaNode {
    const { cpu, spaceAt } = this
    const node = new AreaNode(cell, start, end, traits, offset)
    node.anonId = anonId
    cpu.store(cell + Vma.space, spaceAt)
    cpu.store(cell + Vma.anonId, anonId)
    storeTraits(cpu, cell, traits)
    storeBounds(cpu, cell, start, end, offset)
    if (traits.object !== 0) this.kernel.objects.refLocked(traits.object)
    this.frames.publishCell(cell)
    this.tree.insert(node)
    this.#count++
    return node
  }

  removeLocked(node: AreaNode): void {
    this.tree.remove(node)
    this.#count--
    node.start = node.end = 0 // whoever has kept it does not find his page in it
    this.frames.unpublishCell(node.at)
    this.frames.freeCell(node.at)
    if (node.object !== 0) this.kernel.objects.unrefLocked(node.object)
  }

  /** Gives an area other bounds. Pages that stay keep their place in the object. */
  resizeLocked(node: AreaNode, start: number, end: number): void {
    node.offset += start - node.start
    this.tree.resize(node, start, end)
    storeBounds(this.cpu, node.at, start, end, node.offset)
  }

  /** An area takes over what lies beside it: `others` go as far as they lie in [start, end). */
  growLocked(node: AreaNode, start: number, end: number, others: readonly AreaNode[]): void {
    const offset = node.offset + (start - node.start)
    storeBounds(this.cpu, node.at, start, end, offset)
    for (const other of others) {
      if (other.start >= start && other.end <= end) this.removeLocked(other)
      else if (other.start < start) this.resizeLocked(other, other.start, start)
      else this.resizeLocked(other, end, other.end)
    }
    node.offset = offset
    this.tree.resize(node, start, end)
  }

  /** Cuts an area in two at a page inside it. Returns the upper one, which takes the cell. */
  splitLocked(node: AreaNode, vpn: number, cell: number): AreaNode {
    const { end } = node
    const offset = node.offset + (vpn - node.start)
    // The tree knows no overlap: it is told of the lower one first. The cells are covered all the time.
    this.tree.resize(node, node.start, vpn)
    const upper = this.addLocked(cell, vpn, end, node, offset, node.anonId)
    storeBounds(this.cpu, node.at, node.start, vpn, node.offset)
    return upper
  }

  // ── what does not change an area's place ────────────────────────────────────────────────────────────────────────

  setTraits(node: AreaNode, prot: number, flags: number): void {
    node.prot = prot
    node.flags = flags
    storeTraits(this.cpu, node.at, node)
  }

  setAnonId(node: AreaNode, anonId: number): void {
    node.anonId = anonId
    this.cpu.store(node.at + Vma.anonId, anonId)
  }
}
