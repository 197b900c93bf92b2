/* Page faults of this kernel itself: fault NAME. Pages of 4 KiB: huge ones are refused.
 *
 *   zero   the first store to a page of new private memory
 *   map    mmap and munmap of 64 KiB that nobody touches
 *   copy   the first store to a page of a private mapping that was read before: the frame is copied */

#include "sample.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SAMPLES = 200, PAGE = 4096, PAGES = 1024, SMALL = 16, PER_SAMPLE = 1000 };

static volatile int32_t kept;

static volatile int32_t *map(long pages, int flags, int fd) {
  void *at = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return at;
}

/* Where there are no huge pages madvise() fails, which is as good. */
static void refuse_huge(volatile int32_t *at) { (void)madvise((void *)at, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE); }

static double store_to_each(volatile int32_t *at) {
  double start = now();
  for (long page = 0; page < PAGES; page++) at[page * PAGE / 4] = 1;
  return (now() - start) / PAGES;
}

int main(int argc, char **argv) {
  static double samples[SAMPLES];
  const char *name = argc > 1 ? argv[1] : "";
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

  if (strcmp(name, "zero") == 0) {
    for (long s = 0; s < SAMPLES; s++) {
      volatile int32_t *at = map(PAGES, anonymous, -1);
      refuse_huge(at);
      samples[s] = store_to_each(at);
      munmap((void *)at, (size_t)PAGES * PAGE);
    }
  } else if (strcmp(name, "map") == 0) {
    for (long s = 0; s < SAMPLES; s++) {
      double start = now();
      for (long i = 0; i < PER_SAMPLE; i++) munmap((void *)map(SMALL, anonymous, -1), SMALL * PAGE);
      samples[s] = (now() - start) / PER_SAMPLE;
    }
  } else if (strcmp(name, "copy") == 0) {
    int fd = memfd_create("fault", 0);
    if (fd < 0 || ftruncate(fd, (off_t)PAGES * PAGE) != 0) return 1;
    volatile int32_t *shared = map(PAGES, MAP_SHARED, fd);
    store_to_each(shared);
    for (long s = 0; s < SAMPLES; s++) {
      volatile int32_t *at = map(PAGES, MAP_PRIVATE, fd);
      for (long page = 0; page < PAGES; page++) kept += at[page * PAGE / 4];
      samples[s] = store_to_each(at);
      munmap((void *)at, (size_t)PAGES * PAGE);
    }
  } else {
    fprintf(stderr, "fault: no '%s'\n", name);
    return 1;
  }
  report(samples, SAMPLES);
}
