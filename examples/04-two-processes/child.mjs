// The second process: a module whose default export is main(), as in C. What it returns is its exit status.
import { MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE } from 'pageframe/machine'

export default function main(self, [name]) {
  const fd = self.shmOpen(name, O_RDWR)
  const at = self.mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
  self.store32(at + 4, 43)
  self.store32(at + 8, self.explain(at).frame)
  return self.load32(at)
}
