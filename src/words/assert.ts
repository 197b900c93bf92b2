/** A bug in our own code is not an errno: it stops the program. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
  readonly code = 'ERR_PAGEFRAME_ASSERTION'
}

/** Throws when a claim about our own state is false. Never used on what a caller passed in. */
export function assert(claim: boolean, what: string): asserts claim {
  if (!claim) throw new AssertionError(`pageframe: this should never happen: ${what}`)
}
