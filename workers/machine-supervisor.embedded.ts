/**
 * What a machine brings along for the supervisor, which loads it when the first one is booted (src/memory/extension.ts): the
 * spawning of processes, and the reaper's steps of all floors above `memory` that everyday threads do not use.
 */

import type { SupervisorExtension, SupervisorHost } from '../src/memory/extension.ts'
import { MachineSupervisor } from '../src/machine/supervisor.ts'

export function extend(host: SupervisorHost): SupervisorExtension {
  return new MachineSupervisor(host)
}
