/* A round trip between two threads that spin, each on a word of its own, 256 bytes apart. */

#include "sample.h"
#include <pthread.h>
#include <stdatomic.h>

enum { SAMPLES = 200, WARM_UPS = 20, PER_SAMPLE = 1000, TRIPS = (SAMPLES + WARM_UPS) * PER_SAMPLE };

static struct {
  _Alignas(256) atomic_int ping;
  _Alignas(256) atomic_int pong;
} words;

static void *answer(void *unused) {
  for (int i = 1; i <= TRIPS; i++) {
    while (atomic_load(&words.ping) != i) {}
    atomic_store(&words.pong, i);
  }
  return unused;
}

int main(void) {
  static double samples[SAMPLES];
  pthread_t thread;
  if (pthread_create(&thread, NULL, answer, NULL) != 0) return 1;

  int i = 0;
  for (long s = -WARM_UPS; s < SAMPLES; s++) {
    double start = now();
    for (int k = 0; k < PER_SAMPLE; k++) {
      i++;
      atomic_store(&words.ping, i);
      while (atomic_load(&words.pong) != i) {}
    }
    if (s >= 0) samples[s] = (now() - start) / PER_SAMPLE;
  }
  pthread_join(thread, NULL);
  report(samples, SAMPLES);
}
