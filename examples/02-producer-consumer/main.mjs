// A producer fills records of pixels in place, a consumer adds them up in place. Not a byte is copied.
import { Worker } from 'node:worker_threads'
import { Channel } from 'pageframe'

const pictures = new Channel({ from: 'one', to: 'one', capacity: '1MiB' })
const consumer = new Worker(new URL('./consumer.mjs', import.meta.url), { workerData: { pictures } })
consumer.once('message', (sum) => {
  console.log(`sum of all pixels: ${sum}`)
})

for (let number = 0; number < 1000; number++) {
  const loan = await pictures.loanAsync(16 * 1024) // waits for room without blocking
  loan.bytes.fill(number)
  loan.commit()
}
pictures.close()
