/**
 * The WebAssembly types that our declarations name. TypeScript brings them with the DOM only, and a user's program may be
 * without: so the declarations bring the names along. Empty interfaces merge with whatever else declares them.
 */

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- that is what it is
  namespace WebAssembly {
    /* eslint-disable @typescript-eslint/no-empty-object-type */
    interface Module {}
    interface Memory {}
    /* eslint-enable @typescript-eslint/no-empty-object-type */
  }
}

export {}
