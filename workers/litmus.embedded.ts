/** One thread of a litmus test: does its one or two steps on one pair of words after another, as fast as it can. */

import { workerData } from 'node:worker_threads'
import { atomicsCpu, wasmCpu, type Cpu } from '../src/host/cpu.ts'
import { runLitmusThread, type LitmusWork } from '../src/testing/litmus-thread.ts'

const { memory, module, isPlain, ...work } = workerData as LitmusWork & {
  readonly memory: WebAssembly.Memory | SharedArrayBuffer
  readonly module: WebAssembly.Module | undefined
  readonly isPlain: boolean
}
const cpu =
  module === undefined
    ? atomicsCpu(memory as SharedArrayBuffer)
    : wasmCpu(memory as WebAssembly.Memory, module)
runLitmusThread(isPlain ? plainly(cpu) : cpu, cpu, work)

/** Loads and stores without order. */
function plainly(cpu: Cpu): Pick<Cpu, 'load' | 'store'> {
  return {
    load: (at) => cpu.plainLoad(at),
    store: (at, value) => {
      cpu.plainStore(at, value)
    },
  }
}
