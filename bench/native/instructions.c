/* The instructions of a Cpu, as a C compiler makes them: instructions NAME */

#include "sample.h"
#include <string.h>

enum { SAMPLES = 2000, PER_SAMPLE = 1000, PAGE = 4096 };

static int32_t words[2 * PAGE] __attribute__((aligned(PAGE)));
static volatile int32_t kept;

#define MEASURE(work)                                                                                            \
  for (long s = -SAMPLES / 10; s < SAMPLES; s++) { /* the first tenth warms up */                                \
    double start = now();                                                                                        \
    for (int32_t i = 0; i < PER_SAMPLE; i++) { work; }                                                           \
    if (s >= 0) samples[s] = (now() - start) / PER_SAMPLE;                                                       \
  }

int main(int argc, char **argv) {
  static double samples[SAMPLES];
  int32_t sum = 0, expected = 0, *at = words + 64;
  const char *name = argc > 1 ? argv[1] : "";
  memset(words, 1, sizeof words);
  *at = 0;

  if (strcmp(name, "load") == 0) {
    MEASURE(sum += __atomic_load_n(at, __ATOMIC_SEQ_CST))
  } else if (strcmp(name, "store") == 0) {
    MEASURE(__atomic_store_n(at, i, __ATOMIC_SEQ_CST))
  } else if (strcmp(name, "add") == 0) {
    MEASURE(sum += __atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST))
  } else if (strcmp(name, "compareExchange") == 0) {
    MEASURE(expected = i; __atomic_compare_exchange_n(at, &expected, i + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
            if (i == PER_SAMPLE - 1) *at = 0)
  } else if (strcmp(name, "copy") == 0) {
    MEASURE(memcpy(words + PAGE / 4, words, PAGE); barrier())
  } else if (strcmp(name, "fill") == 0) {
    MEASURE(memset(words, 0, PAGE); barrier())
  } else {
    fprintf(stderr, "instructions: no '%s'\n", name);
    return 1;
  }
  kept = sum;
  report(samples, SAMPLES);
}
