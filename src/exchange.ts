/** dist/exchange.js: who competes in an exchange, for our own bench. No entry point of the package. */

export { Crew } from './cli/exchange/crew.ts'
export { findInput } from './cli/exchange/input.ts'
export { ProcessCrew } from './cli/exchange/process-crew.ts'
