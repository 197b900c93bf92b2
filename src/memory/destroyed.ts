/**
 * The ids of memories that were destroyed: they tell a stale handle (ESTALE) from one that nobody ever had a memory for.
 *
 * No id is used twice, so none is taken out again but the oldest, where there would be too many: a handle as old as that
 * gets ERR_PAGEFRAME_NO_MEMORY.
 */

const MOST = 16_384

export class Destroyed implements Iterable<string> {
  readonly #ids = new Set<string>()

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(id: string): void {
    this.#ids.add(id)
    if (this.#ids.size <= MOST) return
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest)
      return
    }
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#ids.values()
  }
}
