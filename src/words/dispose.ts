/**
 * Symbol.dispose, also where the language does not have it yet: in a vm context of Node 20 it is missing, and what
 * down-levels `using` looks for Symbol.for('Symbol.dispose') there.
 */

export const dispose: typeof Symbol.dispose =
  (Symbol as { readonly dispose?: typeof Symbol.dispose }).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose)
