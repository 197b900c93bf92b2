/**
 * Symbol.dispose and Symbol.asyncDispose, also where the language does not have it yet: in a vm context of Node 20 they are missing, and what
 * down-levels `using` looks for Symbol.for('Symbol.dispose') there.
 */

export const dispose: typeof Symbol.dispose =
  (Symbol as { readonly dispose?: typeof Symbol.dispose }).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose)

export const asyncDispose: typeof Symbol.asyncDispose =
  (Symbol as { readonly asyncDispose?: typeof Symbol.asyncDispose }).asyncDispose ??
  (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose)
