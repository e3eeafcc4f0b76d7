"""Parts of the C of ``main_program``: what the system tells, and one job of measurement."""

from __future__ import annotations

__all__ = ["MEASURE", "SYSTEM"]

SYSTEM = """
static i64 clock_ns(clockid_t which) {
  struct timespec now;
  return clock_gettime(which, &now) ? 0 : now.tv_sec * SECOND + now.tv_nsec;
}

static i64 ticks(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Sleeps, and is awake for the last stretch: a sleep wakes late. */
static void wait_until(i64 intended) {
  for (i64 left; (left = intended - ticks()) > 0;) {
    if (left <= 200000) continue;
    const struct timespec rest = {(time_t)((left - 200000) / SECOND), (long)((left - 200000) % SECOND)};
    nanosleep(&rest, NULL);
  }
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

MEASURE = """
struct job {
  const char *inputs, *outputs;
  long limit, measure, warmup;
  double seconds, pace, hold;
  i64 executed_unix_ns;
};

static FILE *samples;
static char *held;
static size_t sample_bytes;
static long count;

/* Points the inputs at a sample: one that is held, or one that is read now. */
static int load(long sample) {
  char *from = held ? held + (size_t)sample * sample_bytes : NULL;
  errno = 0;
  if (!held && fseek(samples, sample * (long)sample_bytes, SEEK_SET)) return failed("cannot be read", "inputs");
  for (int i = 0; i < INPUTS; i++) {
    const size_t bytes = in_sizes[i] * sizeof(float);
    if (held)
      in[i] = (float *)(void *)from, from += bytes;
    else if (fread(in[i], 1, bytes, samples) != bytes)
      return failed("cannot be read", "inputs");
  }
  return 0;
}

static int open_samples(const struct job *job) {
  errno = 0;
  samples = fopen(job->inputs, "rb");
  if (!samples || fseek(samples, 0, SEEK_END)) return failed("cannot be read", job->inputs);
  const long size = ftell(samples);
  for (int i = 0; i < INPUTS; i++) sample_bytes += in_sizes[i] * sizeof(float);
  count = size / (long)sample_bytes;
  if (count < 1 || size % (long)sample_bytes) {
    fprintf(stderr, "NAME: %s has %ld bytes; expected samples of %ld\\n", job->inputs, size, (long)sample_bytes);
    return 1;
  }
  if (job->limit > 0 && job->limit < count) count = job->limit;
  rewind(samples);
  if ((size_t)count * sample_bytes > HELD_BYTES) return 0;
  held = room((size_t)count * sample_bytes);
  errno = 0;
  if (fread(held, sample_bytes, (size_t)count, samples) != (size_t)count) return failed("cannot be read", job->inputs);
  return 0;
}

static i64 timed(void) {
  const i64 before = ticks();
  NAME_call(&instance, (const float *const *)in, out);
  return ticks() - before;
}

static i64 run_all(const struct job *job, long *ran) {
  const i64 end = job->seconds > 0 ? ticks() + (i64)(job->seconds * 1e9) : 0;
  errno = 0;
  FILE *file = fopen(job->outputs, "wb");
  if (!file) return failed("cannot be written", job->outputs);
  for (*ran = 0; *ran < count && !(*ran > 0 && end && ticks() >= end); ++*ran) {
    if (load(*ran)) return 1;
    timed();
    for (int i = 0; i < OUTPUTS; i++)
      if (fwrite(out[i], sizeof(float), out_sizes[i], file) != out_sizes[i])
        return failed("cannot be written", job->outputs);
  }
  return fclose(file) ? failed("cannot be written", job->outputs) : 0;
}

static int ascending(const void *one, const void *other) {
  const i64 a = *(const i64 *)one, b = *(const i64 *)other;
  return (a > b) - (a < b);
}

/* Calls without a pause for so long; every call counts, and of their times every 2nd, 4th, … is kept where many. */
static int hold(double seconds) {
  i64 *kept = room(KEPT * sizeof *kept);
  long calls = 0, size = 0, every = 1;
  const i64 begin_unix = clock_ns(CLOCK_REALTIME), busy = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = ticks();
  i64 now = begin;
  for (const i64 end = begin + (i64)(seconds * 1e9); now < end; calls++) {
    if (load(calls % count)) return 1;
    const i64 took = timed();
    now = ticks();
    if (calls % every) continue;
    if (size == KEPT) {
      size = KEPT / 2, every *= 2;
      for (long k = 0; k < size; k++) kept[k] = kept[2 * k];
      if (calls % every) continue;
    }
    kept[size++] = took;
  }
  const i64 end_unix = clock_ns(CLOCK_REALTIME), used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - busy;
  qsort(kept, (size_t)size, sizeof *kept, ascending);
  printf(",\\n\\"held\\":{\\"calls\\":%ld,\\"begin_unix_ns\\":%lld,\\"end_unix_ns\\":%lld,\\"begin_monotonic_ns\\":%lld,"
         "\\"end_monotonic_ns\\":%lld,\\"median_us\\":%.4f,\\"busy_share\\":%.4f}",
         calls, begin_unix, end_unix, begin, now, size ? (kept[size / 2] + kept[(size - 1) / 2]) / 2e3 : 0.0,
         now > begin ? (double)used / (double)(now - begin) : 0.0);
  free(kept);
  return 0;
}

/* The timed calls, after their warm-up. */
static int steady(const struct job *job) {
  i64 *took = room((size_t)job->measure * sizeof *took);
  const i64 cap = (i64)(job->seconds * 1e9), began = ticks();
  long warmed = 0, made = 0;
  while (warmed < job->warmup) {
    if (load(warmed % count)) return 1;
    timed();
    warmed++;
    if (cap > 0 && ticks() > began + cap / 4) break;
  }
  const int before = core();
  const i64 begin_unix = clock_ns(CLOCK_REALTIME), busy = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = ticks();
  while (made < job->measure) {
    if (load(made % count)) return 1;
    if (job->pace > 0) wait_until(begin + (i64)((double)made * job->pace * 1e9));
    took[made++] = timed();
    if (cap > 0 && made >= LEAST_CALLS && ticks() > began + cap) break;
  }
  const i64 end = ticks(), used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - busy, end_unix = clock_ns(CLOCK_REALTIME);
  const int after = core();
  print_number("warmup", warmed);
  print_number("steady_begin_unix_ns", begin_unix);
  print_number("steady_end_unix_ns", end_unix);
  print_number("steady_begin_monotonic_ns", begin);
  print_number("steady_end_monotonic_ns", end);
  if (end > begin) printf(",\\n\\"cpu_percent\\":%.1f", 100.0 * (double)used / (double)(end - begin));
  if (before >= 0) printf(after == before ? ",\\n\\"ran_on\\":[%d]" : ",\\n\\"ran_on\\":[%d,%d]", before, after);
  printf(",\\n\\"steady_us\\":[");
  for (long k = 0; k < made; k++) printf("%s%lld.%03lld", k ? "," : "", took[k] / 1000, took[k] % 1000);
  printf("]");
  free(took);
  return 0;
}

static int measure(const struct job *job, i64 started, i64 started_unix) {
  const i64 memory = memory_of("VmRSS:");
  const long heat_before = heat();
  const i64 begin = ticks();
  NAME_init(&instance, 16);
  if (open_samples(job)) return 1;
  const i64 loaded = ticks() - begin;
  long ran = count;
  if (load(0)) return 1;
  const i64 first = timed(), first_at = ticks(), first_unix = clock_ns(CLOCK_REALTIME);
  if (job->outputs && run_all(job, &ran)) return 1;
  printf("{\\"schema\\":\\"edgeproof.runner/1\\",\\n\\"artifact\\":\\"NAME\\",\\n\\"threads\\":1");
  print_number("samples", ran);
  print_number("started_monotonic_ns", started);
  print_number("started_unix_ns", started_unix);
  print_number("first_result_monotonic_ns", first_at);
  print_number("first_result_unix_ns", first_unix);
  if (job->executed_unix_ns > 0)
    print_thousandth("exec_to_first_ms", (first_unix - job->executed_unix_ns + 500) / 1000);
  print_thousandth("load_ms", loaded / 1000);
  print_thousandth("first_inference_us", first);
  print_cores();
  if (job->measure > 0 && steady(job)) return 1;
  print_number("baseline_memory_bytes", memory);
  print_number("peak_memory_bytes", memory_of("VmHWM:"));
  if (job->hold > 0 && hold(job->hold)) return 1;
  print_number("finished_unix_ns", clock_ns(CLOCK_REALTIME));
  print_thousandth("temperature_before_c", heat_before);
  print_thousandth("temperature_after_c", heat());
  printf("}\\n");
  return 0;
}
"""
