"""C that keeps an instance behind a pointer: what bridges to other languages hold on to."""

from __future__ import annotations

from string import Template

__all__ = ["HANDLE_C", "HANDLE_H"]

HANDLE_H = Template("""\
/* One instance of $name behind a pointer, for bridges to other languages. Not thread-safe: one thread at a time. */
#ifndef ${NAME}_HANDLE_H
#define ${NAME}_HANDLE_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ${name}_handle ${name}_handle;

/* A new instance in its initial states; NULL where there is no memory for it. */
${name}_handle *${name}_handle_open(void);
/* Gives the memory back. NULL is let be. */
void ${name}_handle_close(${name}_handle *handle);
/* Back to the initial states. */
void ${name}_handle_reset(${name}_handle *handle);
/* One whole call: reset, then all time steps. */
void ${name}_handle_call(${name}_handle *handle, const float *const *in, float *const *out);
/* `steps` more time steps from the states as they are. */
void ${name}_handle_run(${name}_handle *handle, int steps, const float *const *in, float *const *out);

#ifdef __cplusplus
}
#endif
#endif
""")

HANDLE_C = Template("""\
/* See ${name}_handle.h. */
#include "${name}_handle.h"

#include "$name.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, WIDEST_VECTOR = 16 };

struct ${name}_handle {
  struct $name *engine;
};

${name}_handle *${name}_handle_open(void) {
  ${name}_handle *handle = malloc(sizeof *handle + ALIGNMENT + ${name}_size());
  if (!handle) return NULL;
  const uintptr_t after = (uintptr_t)(handle + 1);
  handle->engine = (struct $name *)((after + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  ${name}_init(handle->engine, WIDEST_VECTOR);
  return handle;
}

void ${name}_handle_close(${name}_handle *handle) { free(handle); }

void ${name}_handle_reset(${name}_handle *handle) { ${name}_reset(handle->engine); }

void ${name}_handle_call(${name}_handle *handle, const float *const *in, float *const *out) {
  ${name}_call(handle->engine, in, out);
}

void ${name}_handle_run(${name}_handle *handle, int steps, const float *const *in, float *const *out) {
  ${name}_run(handle->engine, steps, in, out);
}
""")
