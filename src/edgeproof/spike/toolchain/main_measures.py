"""A part of the C of ``main_program``: one job of measurement, told as one JSON document."""

from __future__ import annotations

__all__ = ["MEASURE"]

MEASURE = """
struct job {
  const char *inputs, *outputs;
  long limit, measure, warmup, most_warmup;
  double seconds, pace, hold, window;
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

/* Calls without a pause until a time, and what they took: of many only every 2nd, 4th, … is told alone. */
static int window(long number, i64 begin, i64 end, long *made) {
  static i64 kept[KEPT];
  long calls = 0, size = 0, every = 1;
  i64 now = ticks(), total = 0, most = 0;
  const i64 start = now;
  do {
    if (load((*made)++ % count)) return 1;
    const i64 took = timed();
    now = ticks();
    total += took;
    if (took > most) most = took;
    if (calls++ % every) continue;
    if (size == KEPT) {
      size = KEPT / 2, every *= 2;
      for (long k = 0; k < size; k++) kept[k] = kept[2 * k];
      if ((calls - 1) % every) continue;
    }
    kept[size++] = took;
  } while (now < end);
  printf("%s\\n{\\"start_ns\\":%lld", number ? "," : "", start - begin);
  print_number("count", calls);
  print_number("total_ns", total);
  print_number("most_ns", most);
  print_thousandth("temperature_c", heat());
  print_thousandth("mhz", frequency());
  print_number("resident_bytes", memory_of("VmRSS:"));
  printf(",\\"kept_ns\\":[");
  for (long k = 0; k < size; k++) printf("%s%lld", k ? "," : "", kept[k]);
  printf("]}");
  return 0;
}

/* A load for a meter, window by window, with marks of its begin and end. */
static int hold(double seconds, double each) {
  const i64 length = (i64)(seconds * 1e9), busy = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  const long windows = each > 0 && each < seconds ? (long)(seconds / each + 0.5) : 1;
  long made = 0;
  printf(",\\n\\"load\\":{\\"windows\\":[");
  const i64 begin_unix = clock_ns(CLOCK_REALTIME), begin = ticks();
  for (long k = 0; k < windows; k++) {
    const i64 until = k + 1 < windows ? (i64)((double)(k + 1) * each * 1e9) : length;
    if (window(k, begin, begin + until, &made)) return 1;
  }
  const i64 end = ticks(), end_unix = clock_ns(CLOCK_REALTIME), used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - busy;
  printf("]");
  print_number("begin_unix_ns", begin_unix);
  print_number("end_unix_ns", end_unix);
  print_number("begin_monotonic_ns", begin);
  print_number("end_monotonic_ns", end);
  print_number("used_ns", used);
  printf("}");
  return 0;
}

/* Whether the medians of the last three windows of ten calls agree within 5 %; -1 where there are too few calls. */
static int stable(const i64 *took, long calls) {
  i64 least = 0, most = 0;
  if (calls < 30) return -1;
  for (int k = 0; k < 3; k++) {
    i64 ten[10];
    memcpy(ten, took + calls - 30 + 10 * k, sizeof ten);
    qsort(ten, 10, sizeof *ten, ascending);
    const i64 twice = ten[4] + ten[5];
    if (k == 0 || twice < least) least = twice;
    if (k == 0 || twice > most) most = twice;
  }
  return (double)most <= 1.05 * (double)least;
}

/* The timed calls, after their warm-up. */
static int steady(const struct job *job) {
  const long most = job->most_warmup > job->warmup ? job->most_warmup : job->warmup;
  i64 *took = room((size_t)(job->measure > most ? job->measure : most) * sizeof *took);
  const i64 cap = (i64)(job->seconds * 1e9), pace = (i64)(job->pace * 1e9), began = ticks();
  long warmed = 0, made = 0;
  while (warmed < most && !(warmed >= job->warmup && stable(took, warmed) != 0)) {
    if (load(warmed % count)) return 1;
    took[warmed] = timed();
    warmed++;
    if (cap > 0 && ticks() > began + cap / 4) break;
  }
  const int agreed = stable(took, warmed);
  for (int k = 0; k < PACED_WARMUP && pace > 0 && job->warmup > 0; k++, warmed++) {
    sleep_until(ticks() + pace);
    if (load(warmed % count)) return 1;
    timed();
  }
  const int before = core();
  const i64 begin_unix = clock_ns(CLOCK_REALTIME), busy = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = ticks();
  for (i64 due = begin + pace; made < job->measure;) {
    if (load(made % count)) return 1;
    if (pace > 0) sleep_until(due);
    took[made++] = timed();
    const i64 now = ticks();
    due = due + pace > now ? due + pace : now;
    if (cap > 0 && made >= LEAST_CALLS && now > began + cap) break;
  }
  const i64 end = ticks(), used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - busy, end_unix = clock_ns(CLOCK_REALTIME);
  const int after = core();
  print_number("warmup", warmed);
  if (agreed >= 0) printf(",\\n\\"stable\\":%s", agreed ? "true" : "false");
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
  if (job->hold > 0 && hold(job->hold, job->window)) return 1;
  print_number("finished_unix_ns", clock_ns(CLOCK_REALTIME));
  print_thousandth("temperature_before_c", heat_before);
  print_thousandth("temperature_after_c", heat());
  printf("}\\n");
  return 0;
}
"""
