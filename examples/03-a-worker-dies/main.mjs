// A worker dies between two writes that belong together. The next owner of the lock is told, and repairs.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Mutex, Region } from 'pageframe'

const lock = Mutex.open('accounts')
const [from, to] = [0, 1]
const accounts = Region.open('accounts', 8).as(Int32Array)
accounts[from] = 100

const clumsy = new Worker(
  `import('pageframe').then(({ Mutex, Region }) => {
    const accounts = Region.open('accounts').as(Int32Array)
    Mutex.open('accounts').lock()
    accounts[0] -= 30 // and now it dies: the money is nowhere
    process.exit()
  })`,
  { eval: true },
)
await once(clumsy, 'exit')

lock.run((held) => {
  if (held.ownerDied) {
    console.log(`the last owner died; accounts hold ${accounts[from]} and ${accounts[to]}`)
    accounts[to] = 100 - accounts[from]
    lock.markConsistent()
  }
  console.log(`repaired: ${accounts[from]} and ${accounts[to]}`)
})
