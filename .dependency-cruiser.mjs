/**
 * Who may import whom, for all files at once; eslint.config.js says the same in the editor as far as one file shows it.
 */

import { forbiddenFor, layers } from './layers.mjs'

const floors = layers.flat()
const any = (names) => `(?:${names.join('|')})`

/** One rule a floor: not from siblings, not from above. The top floor, if alone there, may import them all. */
const floorRules = floors
  .filter((floor) => forbiddenFor(floor).length > 0)
  .map((floor) => ({
    name: `floor-${floor}`,
    comment: `src/${floor}/ imports from its own folder and from the floors below it (layers.mjs).`,
    severity: 'error',
    from: { path: `^src/${floor}/` },
    to: { path: `^src/${any(forbiddenFor(floor))}/` },
  }))

export default {
  forbidden: [
    ...floorRules,
    {
      name: 'known-floor',
      comment: 'Each folder of src/ is a floor, and stands in layers.mjs.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/${any(floors)}/` },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'Two files that import each other are one file, or hide a third below both.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'Nobody imports it and it imports nobody: export it, use it, or delete it.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['\\.d\\.ts$', '\\.assembly\\.ts$'], orphan: true },
      to: {},
    },
    {
      name: 'entries-are-for-users',
      comment: 'src/*.ts and the package itself are the front door: nobody inside goes through it.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: ['^src/[^/]+$', '^dist/', '^pageframe'], pathNot: '^src/[^/]+\\.d\\.ts$' },
    },
    {
      name: 'node-in-host-only',
      comment: 'src/host/ is the only floor that says node: or browser.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/host/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'packages-in-cli-only',
      comment: 'The library has no dependencies. The command line bundles its own.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: 'node_modules/' },
    },
    {
      name: 'front-door',
      comment: `Tests, benches, examples and worker files import 'pageframe' by its name, as users do.`,
      severity: 'error',
      from: {
        path: '^(?:test|bench|examples|workers)/',
        pathNot: [`^test/(?:model|${floors.join('|')})/`, '^workers/[^/]+\\.embedded\\.ts$'],
      },
      to: { path: '^src/' },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^virtual:' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules/', '^dist/'] },
    exclude: { path: ['\\.assembly\\.ts$'] },
    // Type imports count: they, too, say who knows whom.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
    },
  },
}
