/** What a page is wanted for, and what comes of an attempt to make it so: the words between fault.ts and its branches. */

/** A load. */
export const READ = 0
/** A store. */
export const WRITING = 1
/** A window: it stays the process's while that is open. */
export const OWN = 2
export type Want = typeof READ | typeof WRITING | typeof OWN

/** The outcome is one of these, or -ENOMEM. */
export const DONE = 0
/** The entry has changed meanwhile, or the object has: look again. */
export const AGAIN = 1
/** The page lies behind the end of the object. */
export const BEYOND = 2
