/**
 * What a condition is made of.
 *
 *   ConditionObject   0 .. 3            4      5
 *                   ┌─────────────────┬──────┬───────┐
 *                   │ object header   │ word │ mutex │    128 bytes: a line of its own
 *                   └─────────────────┴──────┴───────┘
 *
 * It owns nothing: who waits stands in the wait records, so a death needs no step of its own.
 */

import { objectHeader, type Found, type Kind, type Met, type Place } from '../memory/kind.ts'
import { layout, newLine, words } from '../words/layout.ts'

export const ConditionObject = layout('Condition', 128, { ...objectHeader, raw: words(2), _end: newLine })

export function conditionKind<X extends Met>(make: (found: Found) => X): Kind<Place, X> {
  return {
    name: 'Condition',
    layout: ConditionObject,
    read: () => ({}),
    build: () => 0,
    compare() {
      // Conditions are all alike.
    },
    demolish() {
      // A condition has nothing but its cell.
    },
    noMemory: (attachment, { name }) =>
      attachment.noMemory(
        name === undefined ? 'Condition' : `Condition '${name}'`,
        ConditionObject.sizeof * 4,
      ),
    make,
  }
}
