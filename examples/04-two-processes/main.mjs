// A machine with two processes. Each has an address space of its own; one page is in both.
import { Machine, MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from 'pageframe/machine'

const machine = await Machine.boot({ memory: '16MiB' })
const { self } = machine // this thread is process 1

const fd = self.shmOpen('/hello', O_CREAT | O_RDWR)
self.ftruncate(fd, 4096)
const at = self.mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
console.log(`mapped, and nothing behind it: frame ${self.explain(at).frame}`)

const { minor } = self.faults
self.store32(at, 42) // nobody has touched this page: a page fault
const { steps, frame } = self.explain(at)
console.log(
  `${self.faults.minor - minor} page fault later: ${steps.map(({ level }) => level).join(' -> ')} -> a frame`,
)

const child = await machine.spawn(new URL('./child.mjs', import.meta.url), { args: ['/hello'] })
const { code } = await child.waitAsync()
console.log(`process ${child.pid} read ${code} there and wrote ${self.load32(at + 4)}`)
console.log(`it saw the same frame: ${self.load32(at + 8) === frame}`)

self.mprotect(at, 4096, PROT_READ)
try {
  self.store32(at, 0)
} catch (error) {
  console.log(`${error.name}: ${error.code}`)
}
await machine[Symbol.asyncDispose]() // `await using machine = ...` on Node 24
