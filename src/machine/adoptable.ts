/** Imported for its effect by pageframe/machine: a worker that has loaded it may be adopted. */

import { awaitAdoption } from './adopt.ts'

awaitAdoption()
