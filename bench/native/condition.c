/*
 * pthread_cond. condition pingpong TRIPS: there and back between two threads, a mutex, and a condition for each way.
 * condition broadcast WAITERS PHASES: one wakes all, and waits until each has been awake and waits again.
 */

#include "threads.h"
#include <string.h>

enum { TRIPS_PER_SAMPLE = 100 };

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t ping, pong;
  long turn, phase;
  int waiting;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ping = PTHREAD_COND_INITIALIZER, .pong = PTHREAD_COND_INITIALIZER};
static long trips, phases;
static int waiters;

static void *answer(void *unused) {
  pthread_mutex_lock(&shared.mutex);
  for (long i = 0; i < trips; i++) {
    while (shared.turn != 1) pthread_cond_wait(&shared.ping, &shared.mutex);
    shared.turn = 0;
    pthread_cond_signal(&shared.pong);
  }
  pthread_mutex_unlock(&shared.mutex);
  return unused;
}

static void pingpong(void) {
  pthread_t thread;
  start(&thread, answer, 0);
  long count = trips / TRIPS_PER_SAMPLE;
  double *samples = calloc((size_t)count, sizeof *samples);
  pthread_mutex_lock(&shared.mutex);
  for (long s = 0; s < count; s++) {
    double begin = now();
    for (int i = 0; i < TRIPS_PER_SAMPLE; i++) {
      shared.turn = 1;
      pthread_cond_signal(&shared.ping);
      while (shared.turn != 0) pthread_cond_wait(&shared.pong, &shared.mutex);
    }
    samples[s] = (now() - begin) / TRIPS_PER_SAMPLE;
  }
  pthread_mutex_unlock(&shared.mutex);
  pthread_join(thread, NULL);
  report(samples + count / 10, count - count / 10); /* the first tenth warms up */
}

static void *await_phases(void *unused) {
  pthread_mutex_lock(&shared.mutex);
  for (long mine = 0; mine < phases; mine++) {
    if (++shared.waiting == waiters) pthread_cond_signal(&shared.pong);
    while (shared.phase == mine) pthread_cond_wait(&shared.ping, &shared.mutex);
  }
  pthread_mutex_unlock(&shared.mutex);
  return unused;
}

static void broadcast(void) {
  pthread_t threads[MAX_THREADS];
  for (int t = 0; t < waiters; t++) start(&threads[t], await_phases, t);
  double *samples = calloc((size_t)phases, sizeof *samples);
  pthread_mutex_lock(&shared.mutex);
  while (shared.waiting != waiters) pthread_cond_wait(&shared.pong, &shared.mutex);
  for (long s = 0; s < phases; s++) {
    double begin = now();
    shared.waiting = 0;
    shared.phase++;
    pthread_cond_broadcast(&shared.ping);
    if (s < phases - 1)
      while (shared.waiting != waiters) pthread_cond_wait(&shared.pong, &shared.mutex);
    samples[s] = now() - begin;
  }
  pthread_mutex_unlock(&shared.mutex);
  for (int t = 0; t < waiters; t++) pthread_join(threads[t], NULL);
  report(samples + phases / 10, phases - 1 - phases / 10); /* the first tenth warms up; the last is not waited for */
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "pingpong") == 0) trips = atol(argv[2]), pingpong();
  else if (argc == 4 && strcmp(argv[1], "broadcast") == 0) waiters = atoi(argv[2]), phases = atol(argv[3]), broadcast();
  else return 1;
}
