/*
 * One pthread_mutex and several threads that want it all the time. contended THREADS TURNS MS
 *
 * A section is TURNS of work() and an increment. Prints nanoseconds a section, of all threads together; then how uneven
 * the threads' shares were (most / least), and the wait that one in a thousand exceeds. One wait in 64 is timed.
 */

#include "threads.h"

enum { BATCH = 64 };

static struct {
  _Alignas(128) pthread_mutex_t mutex;
  _Alignas(128) long sections;
  uint32_t seed;
  _Alignas(128) atomic_int arrived;
  _Alignas(128) atomic_int stop;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct { _Alignas(128) long count; } done[MAX_THREADS];
static waits waited[MAX_THREADS];
static int threads, turns;
static double duration, elapsed;

static inline void section(void) {
  shared.seed = work(shared.seed, turns);
  shared.sections++;
}

static void *take_turns(void *argument) {
  long me = (long)argument, count = 0;
  atomic_fetch_add(&shared.arrived, 1);
  while (atomic_load(&shared.arrived) < threads) sched_yield();
  double begin = now();
  while (!atomic_load_explicit(&shared.stop, memory_order_relaxed)) {
    double before = now();
    pthread_mutex_lock(&shared.mutex);
    double got = now();
    section();
    pthread_mutex_unlock(&shared.mutex);
    note_wait(&waited[me], got - before);
    for (int i = 1; i < BATCH; i++) {
      pthread_mutex_lock(&shared.mutex);
      section();
      pthread_mutex_unlock(&shared.mutex);
    }
    count += BATCH;
    if (me == 0 && got - begin > duration) atomic_store(&shared.stop, 1);
  }
  done[me].count = count;
  if (me == 0) elapsed = now() - begin;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 1;
  pthread_t others[MAX_THREADS];
  threads = atoi(argv[1]);
  turns = atoi(argv[2]);
  duration = atof(argv[3]) * 1e6;
  for (long t = 1; t < threads; t++) start(&others[t], take_turns, t);
  take_turns((void *)0);
  for (int t = 1; t < threads; t++) pthread_join(others[t], NULL);

  long total = 0, most = 0, least = -1;
  for (int t = 0; t < threads; t++) {
    long count = done[t].count;
    total += count;
    if (count > most) most = count;
    if (least < 0 || count < least) least = count;
  }
  if (total != shared.sections) return 2;
  printf("%.3f\n", elapsed / (double)total);
  printf("fairness %.4f\n", (double)most / (double)(least > 0 ? least : 1));
  printf("wait p99.9, ms %.6f\n", wait_percentile(waited, threads, 0.999) / 1e6);
}
