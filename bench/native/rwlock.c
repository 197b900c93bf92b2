/* pthread_rwlock, read lock and unlock: nanoseconds a pair, of all threads together. rwlock THREADS MS */

#include "threads.h"

enum { BATCH = 1000 };

static struct {
  _Alignas(128) pthread_rwlock_t lock;
  _Alignas(128) atomic_int arrived;
  _Alignas(128) atomic_int stop;
} shared = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static struct { _Alignas(128) long count; } done[MAX_THREADS];
static int threads;
static double duration, elapsed;

static void *read_often(void *argument) {
  long me = (long)argument, count = 0;
  atomic_fetch_add(&shared.arrived, 1);
  while (atomic_load(&shared.arrived) < threads) sched_yield();
  double begin = now();
  while (!atomic_load_explicit(&shared.stop, memory_order_relaxed)) {
    for (int i = 0; i < BATCH; i++) {
      pthread_rwlock_rdlock(&shared.lock);
      pthread_rwlock_unlock(&shared.lock);
    }
    count += BATCH;
    if (me == 0 && now() - begin > duration) atomic_store(&shared.stop, 1);
  }
  done[me].count = count;
  if (me == 0) elapsed = now() - begin;
  return NULL;
}


int main(int argc, char **argv) {
  if (argc != 3) return 1;
  pthread_t others[MAX_THREADS];
  threads = atoi(argv[1]);
  duration = atof(argv[2]) * 1e6;
  for (long t = 1; t < threads; t++) start(&others[t], read_often, t);
  read_often((void *)0);
  for (int t = 1; t < threads; t++) pthread_join(others[t], NULL);
  long total = 0;
  for (int t = 0; t < threads; t++) total += done[t].count;
  printf("%.3f\n", elapsed / (double)total);
}
