/* sem_t. semaphore pair: post and wait, by one thread. semaphore pingpong TRIPS: there and back, between two. */

#include "threads.h"
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 2000, PER_SAMPLE = 1000, TRIPS_PER_SAMPLE = 100 };

static struct {
  _Alignas(128) sem_t ping;
  _Alignas(128) sem_t pong;
} shared;
static long trips;

static void *idle(void *unused) {
  (void)unused;
  for (;;) pause();
  return NULL;
}

static void *answer(void *unused) {
  for (long i = 0; i < trips; i++) {
    sem_wait(&shared.ping);
    sem_post(&shared.pong);
  }
  return unused;
}

static void pair(void) {
  static double samples[SAMPLES];
  pthread_t thread;
  start(&thread, idle, 0);
  for (long s = -SAMPLES / 10; s < SAMPLES; s++) { /* the first tenth warms up */
    double begin = now();
    for (int i = 0; i < PER_SAMPLE; i++) {
      sem_post(&shared.ping);
      sem_wait(&shared.ping);
    }
    if (s >= 0) samples[s] = (now() - begin) / PER_SAMPLE;
  }
  report(samples, SAMPLES);
}

static void pingpong(void) {
  pthread_t thread;
  start(&thread, answer, 0);
  long count = trips / TRIPS_PER_SAMPLE;
  double *samples = calloc((size_t)count, sizeof *samples);
  for (long s = 0; s < count; s++) {
    double begin = now();
    for (int i = 0; i < TRIPS_PER_SAMPLE; i++) {
      sem_post(&shared.ping);
      sem_wait(&shared.pong);
    }
    samples[s] = (now() - begin) / TRIPS_PER_SAMPLE;
  }
  pthread_join(thread, NULL);
  report(samples + count / 10, count - count / 10); /* the first tenth warms up */
}

int main(int argc, char **argv) {
  sem_init(&shared.ping, 0, 0);
  sem_init(&shared.pong, 0, 0);
  if (argc == 2 && strcmp(argv[1], "pair") == 0) pair();
  else if (argc == 3 && strcmp(argv[1], "pingpong") == 0) trips = atol(argv[2]), pingpong();
  else return 1;
}
