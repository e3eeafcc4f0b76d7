"""The frame of the generated files: what is the same for every network, with ``$words`` where it is not."""

from __future__ import annotations

from string import Template

__all__ = ["ENTRIES", "FOOT", "HEAD", "HEADER"]

HEADER = Template("""\
/* $name: $timesteps time steps a call. Generated; the weights are in $name.c.
 *
$arguments
 *
 * Inputs are $sequence. Nothing is allocated and nothing is global but constants: any number of
 * threads may each run instances of their own. Compiled with -ffp-contract=off it gives the same bits everywhere.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ${NAME}_ALIGNED __attribute__((aligned(64)))
#define ${NAME}_API __attribute__((visibility("default")))
#else
#define ${NAME}_ALIGNED
#define ${NAME}_API
#endif

#define ${NAME}_TIMESTEPS $timesteps

/* Time steps that buffers hold: more read weights less often, fewer take less memory. It changes no result. Whoever
 * defines it does so for every file that includes this one. */
#ifndef ${NAME}_CHUNK
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define ${NAME}_CHUNK 1
#else
#define ${NAME}_CHUNK $chunk
#endif
#endif

/* One instance: its states, and room to work in. The caller owns it; the members are no interface. */
struct ${NAME}_ALIGNED $name {
$members
  void (*run)(struct $name *m, int total, const float *const *in, float *const *out);
};

/* Bytes of an instance, for callers that do not see the struct; align it to 64. */
${NAME}_API size_t ${name}_size(void);
/* Before first use: picks the code for this processor and resets. `widest` limits the vectors: 16, 8, 4 or 1 floats. */
${NAME}_API void ${name}_init(struct $name *m, int widest);
/* Back to the initial states. */
${NAME}_API void ${name}_reset(struct $name *m);
/* One whole call: reset, then $timesteps time steps. */
${NAME}_API void ${name}_call(struct $name *m, const float *const *in, float *const *out);
/* The same with all of its arguments in one place, for callers to whom each costs something. */
struct ${name}_bound {
  struct $name *m;
  const float *const *in;
  float *const *out;
};
${NAME}_API void ${name}_bound(const struct ${name}_bound *bound);
/* `steps` more time steps from the states as they are; outputs are read out over these steps. */
${NAME}_API void ${name}_run(struct $name *m, int steps, const float *const *in, float *const *out);
/* One time step from the states as they are. */
${NAME}_API void ${name}_step(struct $name *m, const float *const *in, float *const *out);
/* Inputs and outputs as JSON. */
${NAME}_API const char *${name}_describe(void);
/* The same under a name that a loader knows; in a program with several engines it is the first one's. */
${NAME}_API const char *edgeproof_describe(void);

#ifdef __cplusplus
}
#endif
#endif
""")

HEAD = Template("""\
/* Generated. See $name.h. The file includes itself once for each vector width.
 *
$layers
 */
#ifndef ${NAME}_BODY
#include "$name.h"

#include <math.h>
#include <string.h>

/* Floats in the widest vectors that are compiled: 16, 8, 4 or 1. Less makes the code smaller. */
#ifndef EDGEPROOF_WIDEST
#define EDGEPROOF_WIDEST 16
#endif
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && EDGEPROOF_WIDEST >= 8
#include <immintrin.h>
#define HAS_AVX2
#if EDGEPROOF_WIDEST >= 16
#define HAS_AVX512
#endif
#endif

#define ALIGNED ${NAME}_ALIGNED
/* A function with all registers to itself. GCC 12 would take some of those that it keeps apart to do nothing, and drop
 * their calls: it is to look into none of them. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define ALONE __attribute__((noipa))
#elif defined(__GNUC__) || defined(__clang__)
#define ALONE __attribute__((noinline))
#else
#define ALONE
#endif
static const char description[] = $description;
$types
""")

FOOT = Template("""
void ${name}_reset(struct $name *m) {
$reset
}

void ${name}_init(struct $name *m, int widest) {
  memset(m, 0, sizeof *m);
  m->run = run_plain;
#ifdef HAS_AVX2
  __builtin_cpu_init();
  if (widest >= 8 && __builtin_cpu_supports("avx2")) m->run = run_avx2;
#endif
#ifdef HAS_AVX512
  if (widest >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    m->run = run_avx512;
#endif
  (void)widest;
  ${name}_reset(m);
}
$entries""")

ENTRIES = Template("""
void ${name}_run(struct $name *m, int steps, const float *const *in, float *const *out) { m->run(m, steps, in, out); }

void ${name}_step(struct $name *m, const float *const *in, float *const *out) { m->run(m, 1, in, out); }

void ${name}_call(struct $name *m, const float *const *in, float *const *out) {
  ${name}_reset(m);
  m->run(m, ${NAME}_TIMESTEPS, in, out);
}

void ${name}_bound(const struct ${name}_bound *bound) { ${name}_call(bound->m, bound->in, bound->out); }

size_t ${name}_size(void) { return sizeof(struct $name); }

const char *${name}_describe(void) { return description; }

#if (defined(__GNUC__) || defined(__clang__)) && !defined(_WIN32)
__attribute__((weak))
#endif
const char *edgeproof_describe(void) { return description; }
""")
