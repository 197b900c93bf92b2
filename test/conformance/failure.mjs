/** A scenario that went otherwise than it says: the message is a sentence; the outcome, if there is one, is added to it. */

import { describe } from './expectations.mjs'

export class ScenarioFailure extends Error {
  name = 'ScenarioFailure'

  constructor(message, outcome) {
    super(outcome === undefined ? message : `${message}: ${describe(outcome)}`)
  }
}
