/*
 * A barrier of two threads, again and again: nanoseconds a phase. barrier spin PHASES: a count and a phase, both spin;
 * the last to arrive lets the other go. barrier pthread PHASES: pthread_barrier.
 */

#include "threads.h"
#include <string.h>

enum { PARTIES = 2, PER_SAMPLE = 500 };

static struct {
  _Alignas(128) atomic_int arrived;
  _Alignas(128) atomic_int phase;
  _Alignas(128) pthread_barrier_t barrier;
} shared;
static long phases;
static int spins;

static inline void arrive(void) {
  if (!spins) {
    pthread_barrier_wait(&shared.barrier);
    return;
  }
  int phase = atomic_load(&shared.phase);
  if (atomic_fetch_add(&shared.arrived, 1) == PARTIES - 1) {
    atomic_store(&shared.arrived, 0);
    atomic_store(&shared.phase, phase + 1);
  } else {
    while (atomic_load(&shared.phase) == phase) {}
  }
}

static void *come_along(void *unused) {
  for (long i = 0; i < phases; i++) arrive();
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 3) return 1;
  spins = strcmp(argv[1], "spin") == 0;
  phases = atol(argv[2]);
  pthread_barrier_init(&shared.barrier, NULL, PARTIES);
  pthread_t thread;
  start(&thread, come_along, 0);
  long count = phases / PER_SAMPLE;
  double *samples = calloc((size_t)count, sizeof *samples);
  for (long s = 0; s < count; s++) {
    double begin = now();
    for (int i = 0; i < PER_SAMPLE; i++) arrive();
    samples[s] = (now() - begin) / PER_SAMPLE;
  }
  pthread_join(thread, NULL);
  report(samples + count / 10, count - count / 10); /* the first tenth warms up */
}
