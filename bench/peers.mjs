/** Packages to compare with. None is needed: one that is absent, or too new for this Node, leaves its row. */

/** The contender that `make` makes of a package's exports, or why there is none. */
export async function peer(name, make) {
  let loaded
  try {
    loaded = await import(name)
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${name}'`)) return 'not installed'
    return `does not load on Node ${process.versions.node.split('.')[0]}`
  }
  return make(loaded)
}
