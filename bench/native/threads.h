/* Threads that start together, a histogram of waits, and a random-looking piece of work of a known length. */

#include "sample.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64, SUB_BUCKETS = 16, BUCKETS = 64 * SUB_BUCKETS };

static inline void start(pthread_t *thread, void *(*run)(void *), long argument) {
  if (pthread_create(thread, NULL, run, (void *)argument) != 0) {
    perror("pthread_create");
    exit(1);
  }
}

/* The same in bench/workers/section.mjs: each turn waits for the one before, so both languages take as long. */
static inline uint32_t work(uint32_t x, int turns) {
  for (int i = 0; i < turns; i++) x = x * 1664525u + 1013904223u;
  return x;
}

/* Waits by the logarithm of their length, sixteen buckets an octave. */
typedef struct { long counts[BUCKETS]; } waits;

static inline void note_wait(waits *of, double ns) {
  int bucket = ns < 1 ? 0 : (int)(log2(ns) * SUB_BUCKETS);
  of->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

/* Nanoseconds that `share` of all waits did not exceed. */
static inline double wait_percentile(const waits *all, int threads, double share) {
  long total = 0, seen = 0;
  for (int t = 0; t < threads; t++)
    for (int b = 0; b < BUCKETS; b++) total += all[t].counts[b];
  for (int b = 0; b < BUCKETS; b++) {
    for (int t = 0; t < threads; t++) seen += all[t].counts[b];
    if (seen >= share * (double)total) return exp2((double)(b + 1) / SUB_BUCKETS);
  }
  return 0;
}
