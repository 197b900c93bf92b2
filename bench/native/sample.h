/* Samples: nanoseconds an operation, printed one a line when all are taken. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void report(const double *samples, long count) {
  for (long i = 0; i < count; i++) printf("%.3f\n", samples[i]);
}

/* Memory is what another thread may change: the compiler can drop neither the work before nor the work behind. */
static inline void barrier(void) { __asm__ volatile("" ::: "memory"); }
