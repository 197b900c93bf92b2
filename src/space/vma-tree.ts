/**
 * The tree of areas: where is the area of a page, and where is a gap? Both in O(log n), by one balanced tree.
 *
 *               [40, 48)                 each node knows the largest gap that lies directly before an area of its subtree
 *              maxGap 20
 *            /           \
 *     [4, 8)              [60, 61)       gap before [40, 48): 10, from 30 on
 *    maxGap 20           maxGap 12
 *          \
 *         [28, 30)                       gap before [28, 30): 20, from 8 on
 *        maxGap 20
 *
 * An AVL tree: the heights of two siblings differ by one at most. The areas are also linked in the order of addresses.
 *
 * Private to the mutator of the space, and rebuilt from the cells (vma.ts) by whoever becomes the mutator.
 *
 * See: Adelson-Velsky and Landis 1962; vm_unmapped_area() of Linux before 6.1, whose tree was augmented in this way.
 */

import type { AreaNode } from './area.ts'

type Root = AreaNode | undefined

const NONE = -1

export class VmaTree {
  #root: Root
  #first: Root
  #last: Root
  #hit: Root

  get first(): AreaNode | undefined {
    return this.#first
  }

  get last(): AreaNode | undefined {
    return this.#last
  }

  /** The area of a page. */
  find(vpn: number): AreaNode | undefined {
    const hit = this.#hit
    if (hit !== undefined && vpn >= hit.start && vpn < hit.end) return hit
    const found = this.firstEndingAfter(vpn)
    if (found === undefined || found.start > vpn) return undefined
    this.#hit = found
    return found
  }

  /** The lowest area that does not lie below a page as a whole (Linux: find_vma). */
  firstEndingAfter(vpn: number): AreaNode | undefined {
    let best: Root
    for (let node = this.#root; node !== undefined;) {
      if (node.end > vpn) {
        best = node
        node = node.left
      } else {
        node = node.right
      }
    }
    return best
  }

  *[Symbol.iterator](): Generator<AreaNode> {
    for (let node = this.#first; node !== undefined; node = node.next) yield node
  }

  /** Adds an area that overlaps none. */
  insert(node: AreaNode): void {
    const next = this.firstEndingAfter(node.start)
    const prev = next === undefined ? this.#last : next.prev
    node.prev = prev
    node.next = next
    if (prev === undefined) this.#first = node
    else prev.next = node
    if (next === undefined) this.#last = node
    else next.prev = node
    this.#root = insertAt(this.#root, node)
    if (next !== undefined) refreshAt(this.#root, next)
  }

  remove(node: AreaNode): void {
    const { prev, next } = node
    if (prev === undefined) this.#first = next
    else prev.next = next
    if (next === undefined) this.#last = prev
    else next.prev = prev
    this.#root = removeAt(this.#root, node)
    node.prev = node.next = node.left = node.right = undefined
    if (this.#hit === node) this.#hit = undefined
    if (next !== undefined) refreshAt(this.#root, next)
  }

  /** Gives an area other bounds; its neighbours stay where they are in the order. */
  resize(node: AreaNode, start: number, end: number): void {
    node.start = start
    node.end = end
    refreshAt(this.#root, node)
    if (node.next !== undefined) refreshAt(this.#root, node.next)
  }

  /** The first of `pages` free pages within [low, high), as high as possible, or -1. */
  highestGap(pages: number, low: number, high: number): number {
    const from = Math.max(low, this.#last?.end ?? 0)
    return high - from >= pages ? high - pages : highest(this.#root, pages, low, high)
  }

  /** The first of `pages` free pages within [low, high), as low as possible, or -1. */
  lowestGap(pages: number, low: number, high: number): number {
    const found = lowest(this.#root, pages, low, high)
    if (found !== NONE) return found
    const from = Math.max(low, this.#last?.end ?? 0)
    return high - from >= pages ? from : NONE
  }

  /** Levels of the tree. */
  get height(): number {
    return heightOf(this.#root)
  }

  /** What is wrong with the tree itself, in sentences: for tests, and check(). */
  *problems(): Generator<string> {
    yield* problemsAt(this.#root)
  }
}

/** Pages that are free directly before an area. */
function gapBefore(node: AreaNode): number {
  return Math.max(0, node.start - (node.prev?.end ?? 0))
}

function highest(node: Root, pages: number, low: number, high: number): number {
  if (node === undefined || node.maxGap < pages) return NONE
  if (node.end < high) {
    const found = highest(node.right, pages, low, high)
    if (found !== NONE) return found
  }
  const from = Math.max(node.prev?.end ?? 0, low)
  const to = Math.min(node.start, high)
  if (to - from >= pages) return to - pages
  return node.start > low ? highest(node.left, pages, low, high) : NONE
}

function lowest(node: Root, pages: number, low: number, high: number): number {
  if (node === undefined || node.maxGap < pages) return NONE
  if (node.start > low) {
    const found = lowest(node.left, pages, low, high)
    if (found !== NONE) return found
  }
  const from = Math.max(node.prev?.end ?? 0, low)
  const to = Math.min(node.start, high)
  if (to - from >= pages) return from
  return node.end < high ? lowest(node.right, pages, low, high) : NONE
}

function heightOf(node: Root): number {
  return node === undefined ? 0 : node.height
}

/** Height and gap from the children's. */
function settle(node: AreaNode): AreaNode {
  const { left, right } = node
  node.height = 1 + Math.max(heightOf(left), heightOf(right))
  node.maxGap = Math.max(gapBefore(node), left?.maxGap ?? 0, right?.maxGap ?? 0)
  return node
}

function insertAt(root: Root, node: AreaNode): AreaNode {
  if (root === undefined) {
    node.left = node.right = undefined
    return settle(node)
  }
  if (node.start < root.start) root.left = insertAt(root.left, node)
  else root.right = insertAt(root.right, node)
  return balance(root)
}

function removeAt(root: Root, node: AreaNode): Root {
  if (root === undefined) return undefined
  if (root === node) {
    if (node.right === undefined) return node.left
    const [heir, rest] = takeLeftmost(node.right)
    heir.left = node.left
    heir.right = rest
    return balance(heir)
  }
  if (node.start < root.start) root.left = removeAt(root.left, node)
  else root.right = removeAt(root.right, node)
  return balance(root)
}

/** The leftmost node of a subtree, and the subtree without it. */
function takeLeftmost(root: AreaNode): [AreaNode, Root] {
  if (root.left === undefined) return [root, root.right]
  const [leftmost, rest] = takeLeftmost(root.left)
  root.left = rest
  return [leftmost, balance(root)]
}

/** Settles the nodes from one up to the root: it, or its gap, has changed. */
function refreshAt(root: Root, node: AreaNode): void {
  if (root === undefined) return
  if (root !== node) refreshAt(node.start < root.start ? root.left : root.right, node)
  settle(root)
}

function balance(node: AreaNode): AreaNode {
  const lean = heightOf(node.left) - heightOf(node.right)
  if (lean > 1 && node.left !== undefined) {
    if (heightOf(node.left.left) < heightOf(node.left.right)) node.left = rotateLeft(node.left)
    return rotateRight(node)
  }
  if (lean < -1 && node.right !== undefined) {
    if (heightOf(node.right.right) < heightOf(node.right.left)) node.right = rotateRight(node.right)
    return rotateLeft(node)
  }
  return settle(node)
}

function rotateLeft(node: AreaNode): AreaNode {
  const top = node.right
  if (top === undefined) return node
  node.right = top.left
  top.left = settle(node)
  return settle(top)
}

function rotateRight(node: AreaNode): AreaNode {
  const top = node.left
  if (top === undefined) return node
  node.left = top.right
  top.right = settle(node)
  return settle(top)
}

function* problemsAt(node: Root): Generator<string> {
  if (node === undefined) return
  yield* problemsAt(node.left)
  const name = `the area at page ${node.start}`
  if (node.end <= node.start) yield `${name} is empty`
  if (node.prev !== undefined && node.prev.end > node.start) yield `${name} overlaps the one before it`
  if (Math.abs(heightOf(node.left) - heightOf(node.right)) > 1) yield `the tree is out of balance at ${name}`
  const { height, maxGap } = node
  settle(node)
  if (node.height !== height || node.maxGap !== maxGap) yield `the tree miscounts at ${name}`
  yield* problemsAt(node.right)
}
