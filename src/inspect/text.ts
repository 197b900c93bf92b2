/** What inspect answers: objects to compute with, whose toString() is a text for people: Linux's own, where it has one. */

export interface Texted {
  /** For people. maps, smaps and smapsRollup: what Linux prints, to the byte; the others have no file there. */
  toString(): string
}

/** The same object, with the text that `${it}` gives. */
export function withText<T extends object>(value: T, text: (value: T) => string): T & Texted {
  return Object.defineProperty(value, 'toString', { value: () => text(value) })
}
