"""The C of a program around an engine: a filter of samples, or a measurement that is told as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.spike.toolchain.main_measures import MEASURE
from edgeproof.spike.toolchain.main_system import SYSTEM

__all__ = ["main_program"]


def main_program(name: str, inputs: Sequence[int], outputs: Sequence[int]) -> str:
    """C of a program around the network ``name``; it needs C99 and POSIX clocks, and is static where it can be.

    Without words it is a filter: samples from stdin, outputs to stdout, both raw float32. Each sample is its inputs one
    after another; so are the outputs. With ``--time N`` it runs the first sample N times and prints the microseconds of
    each call instead.

    With ``--inputs FILE`` it does what a job of the runner asks for, in this order, and prints one JSON document with
    the fields of ``edgeproof.runner/1``: it loads, makes the first call, runs all samples where ``--outputs FILE`` asks
    for them, warms up (``--warmup N``, and until its times agree, ``--most-warmup N`` calls at most), times calls
    (``--measure N``, at most ``--seconds S`` with a quarter of it for the warm-up, beginning ``--pace S`` apart), and
    holds a load for a meter (``--hold S``, told in windows of ``--window S`` under ``load``). ``--limit N`` takes the
    first samples alone, ``--exec-unix-ns`` says when the process was started. Samples of more than 4 MiB are read call
    by call, outside what is timed.

    It ends with 0 when all was well, with 1 and a sentence on stderr where a sample is not whole, there is none, or
    something cannot be read or written, and with 2 where it is used wrongly.

    Args:
        name: of the network.
        inputs: numbers in each input of a call.
        outputs: numbers in each output.
    """
    sizes = [", ".join(map(str, counts)) for counts in (inputs, outputs)]
    text = HEAD + SYSTEM + FILTER + MEASURE + MAIN
    return text.replace("IN_SIZES", sizes[0]).replace("OUT_SIZES", sizes[1]).replace("NAME", name)


HEAD = """/* A filter: samples from stdin, outputs to stdout, raw float32; with --time N the microseconds of N calls on
 * the first sample. With --inputs FILE a measurement, printed as one JSON document. */
#define _POSIX_C_SOURCE 200112L
#include "NAME.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef long long i64;
enum { HELD_BYTES = 4 << 20, LEAST_CALLS = 4, PACED_WARMUP = 3, KEPT = 2048 };
static const i64 SECOND = 1000000000;

static const size_t in_sizes[] = {IN_SIZES};
static const size_t out_sizes[] = {OUT_SIZES};
enum { INPUTS = sizeof in_sizes / sizeof *in_sizes, OUTPUTS = sizeof out_sizes / sizeof *out_sizes };

static struct NAME instance;
static float *in[INPUTS], *out[OUTPUTS];

static int failed(const char *what, const char *which) {
  fprintf(stderr, "NAME: %s %s: %s\\n", which, what, errno ? strerror(errno) : "it ended too early");
  return 1;
}

static void *room(size_t bytes) {
  void *got = calloc(bytes ? bytes : 1, 1);
  if (got) return got;
  fprintf(stderr, "NAME: out of memory: %lu bytes could not be had\\n", (unsigned long)bytes);
  exit(1);
}
"""

FILTER = """
/* Samples from stdin, outputs to stdout; or the times of calls on the first sample. */
static int filter(long repeats) {
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
    const i64 before = ticks();
    NAME_call(&instance, (const float *const *)in, out);
    const i64 after = ticks();
    printf("%.3f\\n", (after - before) * 1e-3);
  }
  return 0;
}
"""

MAIN = """
static int usage(void) {
  fprintf(stderr, "usage: NAME [--time N] < samples, raw float32\\n"
                  "       NAME --inputs FILE [--outputs FILE] [--limit N] [--measure N] [--warmup N] [--seconds S]\\n"
                  "            [--most-warmup N] [--pace S] [--hold S [--window S]] [--exec-unix-ns NS]\\n");
  return 2;
}

int main(int words, char **word) {
  const i64 started = ticks(), started_unix = clock_ns(CLOCK_REALTIME);
  struct job job = {.warmup = 10};
  double repeats = 0;
  for (int at = 1; at < words; at += 2) {
    char *rest = "";
    const char *given = at + 1 < words ? word[at + 1] : NULL, *name = word[at];
    double number = 0;
    if (!given) return usage();
    if (!strcmp(name, "--inputs")) job.inputs = given;
    else if (!strcmp(name, "--outputs")) job.outputs = given;
    else if (!strcmp(name, "--exec-unix-ns")) job.executed_unix_ns = atoll(given);
    else {
      number = strtod(given, &rest);
      if (rest == given || *rest || !(number >= 0 && number < 1e9)) return usage();
      if (!strcmp(name, "--limit")) job.limit = (long)number;
      else if (!strcmp(name, "--measure")) job.measure = (long)number;
      else if (!strcmp(name, "--warmup")) job.warmup = (long)number;
      else if (!strcmp(name, "--most-warmup")) job.most_warmup = (long)number;
      else if (!strcmp(name, "--window")) job.window = number;
      else if (!strcmp(name, "--seconds")) job.seconds = number;
      else if (!strcmp(name, "--pace")) job.pace = number;
      else if (!strcmp(name, "--hold")) job.hold = number;
      else if (!strcmp(name, "--time") && words == 3 && number >= 1) repeats = number;
      else return usage();
    }
  }
  if (words > 1 && !job.inputs && repeats < 1) return usage();
  for (int i = 0; i < INPUTS; i++) in[i] = room(in_sizes[i] * sizeof(float));
  for (int i = 0; i < OUTPUTS; i++) out[i] = room(out_sizes[i] * sizeof(float));
  int code = 0;
  if (job.inputs) {
    code = measure(&job, started, started_unix);
  } else {
    NAME_init(&instance, 16);
    code = filter((long)repeats);
  }
  errno = 0;
  if (fflush(stdout) || ferror(stdout)) {
    fprintf(stderr, "NAME: outputs cannot be written to stdout\\n");
    return 1;
  }
  return code;
}
"""
