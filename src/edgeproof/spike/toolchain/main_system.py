"""A part of the C of ``main_program``: clocks, and what the system tells of memory, cores and heat."""

from __future__ import annotations

__all__ = ["SYSTEM"]

SYSTEM = """
static i64 clock_ns(clockid_t which) {
  struct timespec now;
  return clock_gettime(which, &now) ? 0 : now.tv_sec * SECOND + now.tv_nsec;
}

static i64 ticks(void) { return clock_ns(CLOCK_MONOTONIC); }

static void sleep_until(i64 due) {
  const i64 left = due - ticks();
  const struct timespec rest = {(time_t)(left / SECOND), (long)(left % SECOND)};
  if (left > 0) nanosleep(&rest, NULL);
}

/* A line of /proc/self/status behind its name, as "VmHWM:"; 0 where the system has none. */
static int status_of(const char *field, char *line, int size) {
  FILE *file = fopen("/proc/self/status", "r");
  int found = 0;
  while (file && !found && fgets(line, size, file)) found = !strncmp(line, field, strlen(field));
  if (file) fclose(file);
  if (found) memmove(line, line + strlen(field), strlen(line + strlen(field)) + 1);
  return found;
}

static i64 memory_of(const char *field) {
  char line[128];
  return status_of(field, line, sizeof line) ? atoll(line) * 1024 : -1;
}

/* The core that runs this: field 39 of /proc/self/stat; -1 where the system does not tell. */
static int core(void) {
  char text[1024];
  FILE *file = fopen("/proc/self/stat", "r");
  const size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file) fclose(file);
  text[size] = 0;
  const char *at = strrchr(text, ')');
  for (int field = 2; at && field < 39; field++) at = strchr(at + 1, ' ');
  return at ? atoi(at) : -1;
}

/* Degrees of the hottest thermal zone times 1000; -1 where none can be read. */
static long heat(void) {
  long most = -1;
  for (int zone = 0; zone < 64; zone++) {
    char path[64];
    long here = -1;
    sprintf(path, "/sys/class/thermal/thermal_zone%d/temp", zone);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld", &here) == 1 && here > 0 && here < 150000 && here > most) most = here;
    if (file) fclose(file);
  }
  return most;
}

/* Thousands of hertz of the core that runs this; -1 where the system does not tell. */
static long frequency(void) {
  char path[96];
  long now = -1;
  sprintf(path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", core());
  FILE *file = fopen(path, "r");
  if (file && fscanf(file, "%ld", &now) != 1) now = -1;
  if (file) fclose(file);
  return now;
}

static void print_number(const char *field, i64 value) {
  if (value >= 0) printf(",\\n\\"%s\\":%lld", field, value);
}

static void print_thousandth(const char *field, i64 value) {
  if (value >= 0) printf(",\\n\\"%s\\":%lld.%03lld", field, value / 1000, value % 1000);
}

/* "0-3,6" as 0,1,2,3,6. */
static void print_cores(void) {
  char line[512];
  if (!status_of("Cpus_allowed_list:", line, sizeof line)) return;
  const char *comma = "";
  printf(",\\n\\"cpus\\":[");
  for (char *at = line; *at && *at != '\\n';) {
    const long first = strtol(at, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
    for (long each = first; each <= last; each++, comma = ",") printf("%s%ld", comma, each);
    if (*at) at++;
  }
  printf("]");
}
"""
