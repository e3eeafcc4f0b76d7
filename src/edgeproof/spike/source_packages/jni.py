"""The C between a JVM and an engine: arrays are copied into the instance's own, direct buffers are used in place."""

from __future__ import annotations

from string import Template

from edgeproof.spike.source_packages.naming import Naming, numbers
from edgeproof.spike.toolchain.description import Description

__all__ = ["jni_source"]

SOURCE = Template("""\
/* JNI of the network $name: the native methods of $package.$type. Generated.
 * The class has checked what it hands over. */
#include "${name}_handle.h"

#include <jni.h>
#include <stdint.h>
#include <stdlib.h>

enum { INPUTS = $inputs, OUTPUTS = $outputs, NUMBERS = $numbers };

/* Numbers of each port: in a whole call, and at one time step. */
static const jsize in_whole[] = {$in_whole}, in_step[] = {$in_step};
static const jsize out_whole[] = {$out_whole}, out_step[] = {$out_step};

/* An engine, and room for its arrays. */
struct instance {
  ${name}_handle *engine;
  const float *in[INPUTS];
  float *out[OUTPUTS];
  float room[NUMBERS];
};

static struct instance *instance_of(jlong handle) { return (struct instance *)(intptr_t)handle; }

static void complain(JNIEnv *env, const char *type, const char *words) {
  jclass found = (*env)->FindClass(env, type);
  if (found) (*env)->ThrowNew(env, found, words);
}

static jlong JNICALL open_engine(JNIEnv *env, jclass type) {
  (void)type;
  struct instance *one = malloc(sizeof *one);
  if (one) one->engine = ${name}_handle_open();
  if (!one || !one->engine) {
    free(one);
    complain(env, "java/lang/OutOfMemoryError", "no memory for an engine of $name");
    return 0;
  }
  return (jlong)(intptr_t)one;
}

static void JNICALL close_engine(JNIEnv *env, jclass type, jlong handle) {
  (void)env, (void)type;
  ${name}_handle_close(instance_of(handle)->engine);
  free(instance_of(handle));
}

static void JNICALL reset_engine(JNIEnv *env, jclass type, jlong handle) {
  (void)env, (void)type;
  ${name}_handle_reset(instance_of(handle)->engine);
}

static void run(struct instance *one, jboolean whole, const float *const *in, float *const *out) {
  if (whole)
    ${name}_handle_call(one->engine, in, out);
  else
    ${name}_handle_run(one->engine, 1, in, out);
}

static void JNICALL run_arrays(JNIEnv *env, jclass type, jlong handle, jboolean whole, jobjectArray in,
                                 jobjectArray out) {
  (void)type;
  struct instance *one = instance_of(handle);
  float *room = one->room;
  for (int i = 0; i < INPUTS; i++) {
    const jsize count = whole ? in_whole[i] : in_step[i];
    jfloatArray array = (*env)->GetObjectArrayElement(env, in, i);
    (*env)->GetFloatArrayRegion(env, array, 0, count, room);
    if ((*env)->ExceptionCheck(env)) return;
    (*env)->DeleteLocalRef(env, array);
    one->in[i] = room;
    room += count;
  }
  for (int i = 0; i < OUTPUTS; i++) {
    one->out[i] = room;
    room += whole ? out_whole[i] : out_step[i];
  }
  run(one, whole, one->in, one->out);
  for (int i = 0; i < OUTPUTS; i++) {
    jfloatArray array = (*env)->GetObjectArrayElement(env, out, i);
    (*env)->SetFloatArrayRegion(env, array, 0, whole ? out_whole[i] : out_step[i], one->out[i]);
    if ((*env)->ExceptionCheck(env)) return;
    (*env)->DeleteLocalRef(env, array);
  }
}

/* Where a direct buffer stands; NULL with an exception where that is no place for float. */
static float *place(JNIEnv *env, jobjectArray buffers, jsize index) {
  jobject buffer = (*env)->GetObjectArrayElement(env, buffers, index);
  float *found = (*env)->GetDirectBufferAddress(env, buffer);
  (*env)->DeleteLocalRef(env, buffer);
  if (found && (uintptr_t)found % sizeof(float) == 0) return found;
  complain(env, "java/lang/IllegalArgumentException", "a buffer does not stand at a multiple of 4 bytes in memory");
  return NULL;
}

static void JNICALL run_buffers(JNIEnv *env, jclass type, jlong handle, jboolean whole, jobjectArray in,
                                 jobjectArray out) {
  (void)type;
  struct instance *one = instance_of(handle);
  for (int i = 0; i < INPUTS; i++)
    if (!(one->in[i] = place(env, in, i))) return;
  for (int i = 0; i < OUTPUTS; i++)
    if (!(one->out[i] = place(env, out, i))) return;
  run(one, whole, one->in, one->out);
}

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *machine, void *reserved) {
  (void)reserved;
  static const JNINativeMethod methods[] = {
      {"openEngine", "()J", (void *)open_engine},
      {"closeEngine", "(J)V", (void *)close_engine},
      {"resetEngine", "(J)V", (void *)reset_engine},
      {"runArrays", "(JZ[[F[[F)V", (void *)run_arrays},
      {"runBuffers", "(JZ[Ljava/nio/FloatBuffer;[Ljava/nio/FloatBuffer;)V", (void *)run_buffers},
  };
  JNIEnv *env = NULL;
  if ((*machine)->GetEnv(machine, (void **)&env, JNI_VERSION_1_6) != JNI_OK) return JNI_ERR;
  jclass type = (*env)->FindClass(env, "$path");
  if (!type || (*env)->RegisterNatives(env, type, methods, sizeof methods / sizeof *methods) != JNI_OK) return JNI_ERR;
  return JNI_VERSION_1_6;
}
""")


def jni_source(told: Description, names: Naming) -> str:
    """``NAME_jni.c``."""
    return SOURCE.substitute(
        name=names.name,
        type=names.type,
        package=names.package,
        path=f"{names.package}.{names.type}".replace(".", "/"),
        inputs=len(told.inputs),
        outputs=len(told.outputs),
        numbers=sum(plug.whole for plug in (*told.inputs, *told.outputs)),
        in_whole=numbers(plug.whole for plug in told.inputs),
        in_step=numbers(plug.step for plug in told.inputs),
        out_whole=numbers(plug.whole for plug in told.outputs),
        out_step=numbers(plug.step for plug in told.outputs),
    )
