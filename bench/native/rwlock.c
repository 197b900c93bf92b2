/* pthread_rwlock, lock and unlock: nanoseconds a pair, of all threads together. rwlock read|write THREADS MS */

#include "threads.h"
#include <string.h>

enum { BATCH = 1000, MOST_SAMPLES = 100000 };

static struct {
  _Alignas(128) pthread_rwlock_t lock;
  _Alignas(128) atomic_int arrived;
  _Alignas(128) atomic_int stop;
} shared = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static double *samples[MAX_THREADS];
static long counts[MAX_THREADS];
static int threads;
static double duration;
static int writes;

static void *lock_often(void *argument) {
  long me = (long)argument, count = 0;
  atomic_fetch_add(&shared.arrived, 1);
  while (atomic_load(&shared.arrived) < threads) sched_yield();
  double begin = now(), before = begin;
  while (!atomic_load_explicit(&shared.stop, memory_order_relaxed) && count < MOST_SAMPLES) {
    for (int i = 0; i < BATCH; i++) {
      if (writes) pthread_rwlock_wrlock(&shared.lock);
      else pthread_rwlock_rdlock(&shared.lock);
      pthread_rwlock_unlock(&shared.lock);
    }
    double after = now();
    samples[me][count++] = (after - before) / BATCH / threads; /* they do it at the same time */
    before = after;
    if (me == 0 && after - begin > duration) atomic_store(&shared.stop, 1);
  }
  counts[me] = count;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 1;
  pthread_t others[MAX_THREADS];
  writes = strcmp(argv[1], "write") == 0;
  threads = atoi(argv[2]);
  duration = atof(argv[3]) * 1e6;
  for (int t = 0; t < threads; t++) samples[t] = calloc(MOST_SAMPLES, sizeof *samples[t]);
  for (long t = 1; t < threads; t++) start(&others[t], lock_often, t);
  lock_often((void *)0);
  for (int t = 1; t < threads; t++) pthread_join(others[t], NULL);
  for (int t = 0; t < threads; t++) report(samples[t], counts[t]);
}
