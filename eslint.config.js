import js from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'
import { forbiddenFor, layers } from './layers.mjs'

const NODE = {
  regex: '^node:',
  message: 'Only src/host/ talks to Node: ask it for what you need, or give it a new function.',
}

const SOURCES = {
  regex: '(?:^|/)src/',
  message: "Import 'pageframe' by its name, as a user does.",
}

const ATOMICS = {
  name: 'Atomics',
  message: 'Only src/host/ touches Atomics: everybody else asks the Cpu or a doorbell.',
}

/** One block a floor. A later block replaces the options of an earlier one, so each states its whole list. */
const floors = layers.flat().map((floor) => ({
  name: `floor ${floor}`,
  files: [`src/${floor}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: [aboveOrBeside(floor), ...(floor === 'host' ? [] : [NODE])].filter(Boolean) },
    ],
  },
}))

function aboveOrBeside(floor) {
  const forbidden = forbiddenFor(floor)
  if (forbidden.length === 0) return undefined
  return {
    regex: `^(?:\\.\\./)+(?:${forbidden.join('|')})/`,
    message: `${floor} stands below or beside that floor (layers.mjs).`,
  }
}

export default defineConfig(
  globalIgnores(['dist/', '.dist-*/', 'coverage/', 'src/**/*.assembly.ts']),

  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `using _held = lock.lock()` is used by being there.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreUsingDeclarations: true }],
    },
  },

  {
    name: 'Atomics stay in host/',
    files: ['src/**/*.ts', 'workers/**/*.ts', 'examples/**'],
    ignores: ['src/host/**'],
    rules: { 'no-restricted-globals': ['error', ATOMICS] },
  },
  ...floors,
  {
    name: 'entry files are re-exports only',
    files: ['src/*.ts'],
    ignores: ['src/*.d.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [NODE] }],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'Program > :not(ExportAllDeclaration, ExportNamedDeclaration[source], ImportDeclaration[specifiers.length=0])',
          message: 'An entry file re-exports, or imports for effect. Code lives on a floor.',
        },
      ],
    },
  },
  {
    name: 'the front door',
    files: ['test/**', 'bench/**', 'examples/**', 'workers/**'],
    ignores: ['test/model/**', ...layers.flat().map((floor) => `test/${floor}/**`), 'workers/*.embedded.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [SOURCES] }] },
  },

  {
    name: 'plain JavaScript: no types to check by',
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      parserOptions: { projectService: false },
      globals: Object.fromEntries(Object.getOwnPropertyNames(globalThis).map((name) => [name, 'readonly'])),
    },
  },
)
