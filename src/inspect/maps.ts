/**
 * maps(): the address space of a process, as /proc/PID/maps shows it.
 *
 *   console.log(`${maps(machine.self)}`)
 *
 * Anybody may look at any process of the machine at any time. What is shown was so at one moment: the areas are read again
 * if their owner has changed them meanwhile.
 */

import type { ProcessView } from '../machine/process-view.ts'
import { mappingLine, mappingOf, type Mapping } from './mapping.ts'
import { withText, type Texted } from './text.ts'
import { lookAt } from './where.ts'

/** The mappings of a process in the order of their addresses. As a text: the lines of /proc/PID/maps. */
export function maps(process: ProcessView): readonly Mapping[] & Texted {
  const mappings = lookAt('maps()', process, (kernel, areas) => areas.map((area) => mappingOf(kernel, area)))
  return withText(mappings, linesOf)
}

/** How many mappings there are: what Linux calls map_count, and sysctl's vm.max_map_count limits. */
export function vmaCount(process: ProcessView): number {
  return lookAt('vmaCount()', process, (_kernel, areas) => areas.length)
}

function linesOf(mappings: readonly Mapping[]): string {
  return mappings.map((mapping) => `${mappingLine(mapping)}\n`).join('')
}
