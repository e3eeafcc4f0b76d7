"""The C of a program around an engine: samples from stdin, outputs to stdout."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main_program"]


def main_program(name: str, inputs: Sequence[int], outputs: Sequence[int]) -> str:
    """C of a program around the network ``name``: samples from stdin, outputs to stdout, both raw float32.

    Each sample is its inputs one after another; so are the outputs. With ``--time N`` it runs the first sample N times
    and prints the microseconds of each call instead. It ends with 0 when all was well, with 1 and a sentence on stderr
    where a sample is not whole, there is none, or outputs cannot be written, and with 2 where it is used wrongly.

    Args:
        name: of the network.
        inputs: numbers in each input of a call.
        outputs: numbers in each output.
    """
    sizes = [", ".join(map(str, counts)) for counts in (inputs, outputs)]
    return MAIN.replace("IN_SIZES", sizes[0]).replace("OUT_SIZES", sizes[1]).replace("NAME", name)


MAIN = """/* Samples from stdin, outputs to stdout, raw float32.
 * With --time N the microseconds of N calls on the first sample. */
#define _POSIX_C_SOURCE 199309L
#include "NAME.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const size_t in_sizes[] = {IN_SIZES};
static const size_t out_sizes[] = {OUT_SIZES};
enum { INPUTS = sizeof in_sizes / sizeof *in_sizes, OUTPUTS = sizeof out_sizes / sizeof *out_sizes };

static struct NAME instance;

int main(int count, char **words) {
  float *in[INPUTS], *out[OUTPUTS];
  for (int i = 0; i < INPUTS; i++) in[i] = calloc(in_sizes[i], sizeof(float));
  for (int i = 0; i < OUTPUTS; i++) out[i] = calloc(out_sizes[i], sizeof(float));
  const long repeats = count == 3 && !strcmp(words[1], "--time") ? atol(words[2]) : 0;
  if (count > 1 && repeats <= 0) {
    fprintf(stderr, "usage: NAME [--time N] < samples, raw float32\\n");
    return 2;
  }
  NAME_init(&instance, 16);
  for (unsigned long sample = 0;; sample++) {
    size_t wanted = 0, given = 0;
    for (int i = 0; i < INPUTS; i++) {
      const size_t bytes = in_sizes[i] * sizeof(float);
      if (given == wanted) given += fread(in[i], 1, bytes, stdin);
      wanted += bytes;
    }
    if (given == 0 && sample > 0) break;
    if (given < wanted) {
      fprintf(stderr, "NAME: sample %lu on stdin has %lu bytes; expected %lu\\n", sample, (unsigned long)given,
              (unsigned long)wanted);
      fflush(stdout);
      return 1;
    }
    NAME_call(&instance, (const float *const *)in, out);
    if (repeats > 0) break;
    for (int i = 0; i < OUTPUTS; i++) fwrite(out[i], sizeof(float), out_sizes[i], stdout);
  }
  for (long k = 0; k < repeats; k++) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    NAME_call(&instance, (const float *const *)in, out);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%.3f\\n", (after.tv_sec - before.tv_sec) * 1e6 + (after.tv_nsec - before.tv_nsec) * 1e-3);
  }
  if (fflush(stdout) || ferror(stdout)) {
    fprintf(stderr, "NAME: outputs cannot be written to stdout\\n");
    return 1;
  }
  return 0;
}
"""
