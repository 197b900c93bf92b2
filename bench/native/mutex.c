/*
 * pthread_mutex, uncontended: lock and unlock. mutex [robust | many]: many of 16, in turn
 *
 * A second thread exists: glibc leaves the atomics out if there is none.
 */

#include "sample.h"
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 2000, PER_SAMPLE = 1000, MOST = 16 };

static struct {
  _Alignas(128) pthread_mutex_t mutex;
} all[MOST];

static void *idle(void *unused) {
  (void)unused;
  for (;;) pause();
  return NULL;
}

int main(int argc, char **argv) {
  static double samples[SAMPLES];
  pthread_t thread;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (argc > 1 && strcmp(argv[1], "robust") == 0) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  int mask = argc > 1 && strcmp(argv[1], "many") == 0 ? MOST - 1 : 0;
  for (int i = 0; i < MOST; i++) pthread_mutex_init(&all[i].mutex, &attributes);
  if (pthread_create(&thread, NULL, idle, NULL) != 0) return 1;

  for (long s = -SAMPLES / 10; s < SAMPLES; s++) { /* the first tenth warms up */
    double start = now();
    for (int i = 0; i < PER_SAMPLE; i++) {
      pthread_mutex_t *mutex = &all[i & mask].mutex;
      pthread_mutex_lock(mutex);
      pthread_mutex_unlock(mutex);
    }
    if (s >= 0) samples[s] = (now() - start) / PER_SAMPLE;
  }
  report(samples, SAMPLES);
}
