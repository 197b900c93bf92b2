/** Embedded source: a bundle that is a string (scripts/worker-modules.mjs), run in this thread. */

/** What a CommonJS bundle exports that imports nothing but `node:`. */
export function loadEmbedded(source: string): unknown {
  const { process } = globalThis
  const exports = {}
  const run = process.getBuiltinModule('node:vm').compileFunction(source, ['exports', 'require']) as (
    exports: object,
    require: (id: string) => unknown,
  ) => void
  run(exports, (id: string) => process.getBuiltinModule(id))
  return exports
}
