/** pageframe/internals/exchange: who competes in an exchange, for our own bench. Not documented, and without types. */

export { Crew } from './cli/exchange/crew.ts'
export { findInput } from './cli/exchange/input.ts'
export { ProcessCrew } from './cli/exchange/process-crew.ts'
