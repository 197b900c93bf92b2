/** What inspect answers: objects to compute with, whose toString() is the text that Linux prints. */

export interface Texted {
  /** As Linux prints it. */
  toString(): string
}

/** The same object, with the text that `${it}` gives. */
export function withText<T extends object>(value: T, text: (value: T) => string): T & Texted {
  return Object.defineProperty(value, 'toString', { value: () => text(value) })
}
