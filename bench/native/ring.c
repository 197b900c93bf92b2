/*
 * 64-byte records from one thread to one other, through a ring of slots: each side keeps its index on a line of its own,
 * remembers what it last saw of the other's, and publishes each record. ring RECORDS SLOTS
 *
 * After rigtorp's SPSCQueue and folly's ProducerConsumerQueue.
 */

#include "sample.h"
#include <pthread.h>
#include <stdatomic.h>

enum { PER_SAMPLE = 4096, WORDS = 16 };

static struct {
  _Alignas(128) atomic_uint head; /* of the consumer */
  _Alignas(128) atomic_uint tail; /* of the producer */
  _Alignas(128) int32_t (*slots)[WORDS];
  unsigned mask, records;
} ring;

static void *produce(void *unused) {
  unsigned head_seen = 0;
  for (unsigned i = 0; i < ring.records; i++) {
    while (i - head_seen > ring.mask) head_seen = atomic_load_explicit(&ring.head, memory_order_acquire);
    int32_t *slot = ring.slots[i & ring.mask];
    slot[0] = (int32_t)i;
    slot[WORDS - 1] = ~(int32_t)i;
    atomic_store_explicit(&ring.tail, i + 1, memory_order_release);
  }
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 3) return 1;
  ring.records = (unsigned)atol(argv[1]);
  ring.mask = (unsigned)atol(argv[2]) - 1;
  ring.slots = aligned_alloc(4096, (size_t)(ring.mask + 1) * sizeof *ring.slots);
  double *samples = calloc(ring.records / PER_SAMPLE, sizeof *samples);
  pthread_t thread;
  if (pthread_create(&thread, NULL, produce, NULL) != 0) return 1;

  unsigned tail_seen = 0;
  int32_t wrong = 0;
  while (tail_seen == 0) tail_seen = atomic_load_explicit(&ring.tail, memory_order_acquire);
  double start = now();
  for (unsigned i = 0; i < ring.records; i++) {
    while (i == tail_seen) tail_seen = atomic_load_explicit(&ring.tail, memory_order_acquire);
    int32_t *slot = ring.slots[i & ring.mask];
    wrong |= (slot[0] ^ (int32_t)i) | (slot[WORDS - 1] ^ ~(int32_t)i);
    atomic_store_explicit(&ring.head, i + 1, memory_order_release);
    if ((i + 1) % PER_SAMPLE == 0) {
      double end = now();
      samples[i / PER_SAMPLE] = (end - start) / PER_SAMPLE;
      start = end;
    }
  }
  pthread_join(thread, NULL);
  if (wrong != 0) return 2;
  report(samples, ring.records / PER_SAMPLE);
}
