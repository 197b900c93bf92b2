import { Mutex, Region } from 'pageframe'

const counter = Region.open('counter').as(Int32Array)
const lock = Mutex.open('counting')

for (let i = 0; i < 10_000; i++) {
  lock.run(() => {
    counter[0]++
  })
}
