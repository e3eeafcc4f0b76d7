/* What one core of this machine does at best: vectors read from a buffer and added.
 *
 * limits BYTES...: for each buffer of so many bytes, the bytes read in a nanosecond; then float32 additions and int32
 * additions in a nanosecond. One number a line, the best of many turns. Compile it for this processor: a vector of 64
 * bytes is taken apart where there are none so wide. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef float floats __attribute__((vector_size(64)));
typedef uint32_t whole __attribute__((vector_size(64)));

enum { WIDE = 64, TURNS = 40, LANES = 16 };
static const double TURN_NS = 2e6;

static double now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

/* Eight sums, so that none waits for another. The compiler may not take float sums apart, nor leave them out. */
#define SUMS(name, vector) \
  __attribute__((noinline)) static vector name(const vector *from, size_t count, size_t stride, size_t again) { \
    vector a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0}; \
    for (size_t turn = 0; turn < again; turn++) { \
      const vector *x = from; \
      for (size_t k = 0; k + 8 <= count; k += 8, x += stride) { \
        a += x[0], b += x[1], c += x[2], d += x[3], e += x[4], f += x[5], g += x[6], h += x[7]; \
      } \
      __asm__ volatile("" : : : "memory"); \
    } \
    return a + b + c + d + e + f + g + h; \
  }
SUMS(sum_floats, floats)
SUMS(sum_whole, whole)

static volatile float seen_float;
static volatile uint32_t seen_whole;

/* Vectors in a nanosecond. */
static double rate(int of_floats, const void *from, size_t count, size_t stride) {
  size_t again = 1;
  double best = 0;
  for (int turn = 0; turn < TURNS;) {
    const double begin = now_ns();
    if (of_floats)
      seen_float = sum_floats(from, count, stride, again)[0];
    else
      seen_whole = sum_whole(from, count, stride, again)[0];
    const double took = now_ns() - begin;
    if (took < TURN_NS) {
      again *= 2;
      continue;
    }
    const double found = (double)(count / 8 * 8) * (double)again / took;
    best = found > best ? found : best;
    turn++;
  }
  return best;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const size_t bytes = strtoul(argv[i], NULL, 10) / 512 * 512;
    void *buffer = bytes ? aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : NULL;
    if (!buffer) return 2;
    for (size_t k = 0; k < bytes / sizeof(float); k++) ((float *)buffer)[k] = 0.0f;
    printf("%.6g\n", rate(0, buffer, bytes / WIDE, 8) * WIDE);
    free(buffer);
  }
  static const floats few[8];
  static const whole some[8];
  printf("%.6g\n", rate(1, few, 4096, 0) * LANES);
  printf("%.6g\n", rate(0, some, 4096, 0) * LANES);
  return 0;
}
