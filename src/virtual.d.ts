/**
 * Names that the type checker knows from here only.
 *
 *   virtual:worker/NAME       workers/NAME.embedded.ts, bundled into one string for `new Worker(source, { eval: true })`
 *   virtual:worker-file/NAME  where the build puts workers/NAME.ts, for `new Worker(url)`
 *   virtual:entry-file/NAME   where the build puts src/NAME.ts, for the same
 *
 * scripts/worker-modules.mjs makes both, in the build and in the tests.
 */

declare module 'virtual:worker/*' {
  export const source: string
}

declare module 'virtual:worker-file/*' {
  export const url: URL
}

declare module 'virtual:entry-file/*' {
  export const url: URL | undefined
}

/** As much of WebAssembly as host/ uses. TypeScript ships it with the DOM only, which src/ must not see. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBufferLike)
    readonly [Symbol.toStringTag]: 'WebAssembly.Module'
  }

  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, unknown>
  }

  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean })
    readonly buffer: ArrayBufferLike
    grow(deltaPages: number): number
  }
}
