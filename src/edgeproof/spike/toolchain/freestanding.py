"""The few declarations of the C library that the engine needs, for targets whose headers are not at hand.

An object for Android or iOS is linked by the NDK or Xcode, which bring the library itself. The compiler's own headers
bring ``stddef.h``; what it knows under these names it still replaces by instructions.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_headers"]

HEADERS = {
    "stdint.h": """typedef __INT8_TYPE__ int8_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __INT16_TYPE__ int16_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __INT32_TYPE__ int32_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
#define INT32_C(number) number
#define UINT32_C(number) number##U
#define INT64_C(number) number##LL
#define UINT64_C(number) number##ULL
#define INT8_MAX 127
#define INT16_MAX 32767
#define INT32_MAX 2147483647
#define INT32_MIN (-INT32_MAX - 1)
#define UINT32_MAX 4294967295U
""",
    "string.h": """#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
""",
    "math.h": """#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
float ceilf(float);
float cosf(float);
float erff(float);
float exp2f(float);
float expf(float);
float expm1f(float);
float fabsf(float);
float floorf(float);
float fmaxf(float, float);
float fminf(float, float);
float log1pf(float);
float log2f(float);
float logf(float);
float nearbyintf(float);
float powf(float, float);
float rintf(float);
float roundf(float);
float sinf(float);
float sqrtf(float);
float tanhf(float);
float truncf(float);
""",
    "stdlib.h": """#include <stddef.h>
void *malloc(size_t size);
void free(void *memory);
int posix_memalign(void **memory, size_t alignment, size_t size);
""",
}


def write_headers(folder: Path) -> Path:
    """Write the headers into a folder, for ``-isystem``; returns it."""
    for name, text in HEADERS.items():
        guard = f"EDGEPROOF_{name.replace('.', '_').upper()}"
        (folder / name).write_text(f"#ifndef {guard}\n#define {guard}\n{text}#endif\n")
    return folder
