"""A Gradle module for Android: the engine, JNI, a Java class and Kotlin over it. The same code runs on any JVM."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from edgeproof.spike.source_packages.handle import HANDLE_C, HANDLE_H
from edgeproof.spike.source_packages.java import java_source
from edgeproof.spike.source_packages.jni import jni_source
from edgeproof.spike.source_packages.kotlin import kotlin_source
from edgeproof.spike.source_packages.naming import Naming
from edgeproof.spike.toolchain.description import Description

__all__ = ["android_files"]

GRADLE = Template("""\
plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "$package"
    compileSdk = 35

    defaultConfig {
        minSdk = 21
        consumerProguardFiles("consumer-rules.pro")
        externalNativeBuild { cmake { arguments("-DCMAKE_BUILD_TYPE=Release") } }
        ndk { abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64") }
    }
    externalNativeBuild { cmake { path = file("src/main/cpp/CMakeLists.txt") } }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
    kotlinOptions { jvmTarget = "1.8" }
}
""")

LISTS = Template("""\
# The engine of the network $name with its JNI, for Android's externalNativeBuild or a JVM on this machine. Generated.
cmake_minimum_required(VERSION 3.18)
project(${name}_jni LANGUAGES C)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(${name}_jni SHARED $name.c ${name}_handle.c ${name}_jni.c)
set_target_properties(${name}_jni PROPERTIES C_STANDARD 99 C_VISIBILITY_PRESET hidden)
# Without multiply-add in one rounding every processor gives the same bits.
target_compile_options(${name}_jni PRIVATE
  -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-delete-null-pointer-checks
  -ffile-prefix-map=$${CMAKE_CURRENT_SOURCE_DIR}=.)
target_link_libraries(${name}_jni PRIVATE m)
if(ANDROID)
  # Devices with pages of 16 KB.
  target_link_options(${name}_jni PRIVATE -Wl,-z,max-page-size=16384)
else()
  # Only the headers are needed: what looks for the rest of a JDK finds none in one without a display.
  find_path(${NAME}_JNI_H jni.h HINTS $$ENV{JAVA_HOME}/include /usr/lib/jvm/default-java/include REQUIRED)
  find_path(${NAME}_JNI_MD_H jni_md.h
    HINTS $${${NAME}_JNI_H} $${${NAME}_JNI_H}/linux $${${NAME}_JNI_H}/darwin $${${NAME}_JNI_H}/win32 REQUIRED)
  target_include_directories(${name}_jni PRIVATE $${${NAME}_JNI_H} $${${NAME}_JNI_MD_H})
endif()
""")

RULES = Template("""\
# Its native methods are registered by name.
-keep class $package.$type { native <methods>; }
-keep class $package.$type
""")

MANIFEST = '<?xml version="1.0" encoding="utf-8"?>\n<manifest />\n'

README = Template("""\
# $name for Android

A Gradle module. Copy the folder into your project; in `settings.gradle.kts` and in your app's `build.gradle.kts`:

    include(":$name")
    implementation(project(":$name"))

Gradle builds the C with the NDK for each ABI. It asks for no permission and opens no file and no connection.

Kotlin:

    $type.open().use { engine ->
        val result = engine.predict($words)     // result.$first
    }

Java:

    try ($type engine = $type.open()) {
        float[][] outputs = engine.run($words);   // $outputs
    }

An engine runs one call at a time; open one for each thread. Without copies: `newInputBuffers()`, `newOutputBuffers()`
and `run(FloatBuffer[], FloatBuffer[])`. For a stream: `reset()`, then `step(...)` for each time step.
On a JVM elsewhere: `cmake -S src/main/cpp -B build && cmake --build build`, then
`-Djava.library.path=build`; `JAVA_HOME` names the JDK.
""")


def android_files(told: Description, names: Naming, c: str, h: str) -> Mapping[str, str]:
    """The module's files by path."""
    words = {
        "name": names.name,
        "NAME": names.upper,
        "package": names.package,
        "type": names.type,
        "words": ", ".join(names.inputs),
        "first": names.outputs[0],
        "outputs": ", ".join(names.outputs),
    }
    cpp, folder = "src/main/cpp", names.package.replace(".", "/")
    return {
        "build.gradle.kts": GRADLE.substitute(words),
        "consumer-rules.pro": RULES.substitute(words),
        "src/main/AndroidManifest.xml": MANIFEST,
        f"{cpp}/CMakeLists.txt": LISTS.substitute(words),
        f"{cpp}/{names.name}.c": c,
        f"{cpp}/{names.name}.h": h,
        f"{cpp}/{names.name}_handle.c": HANDLE_C.substitute(words),
        f"{cpp}/{names.name}_handle.h": HANDLE_H.substitute(words),
        f"{cpp}/{names.name}_jni.c": jni_source(told, names),
        f"src/main/java/{folder}/{names.type}.java": java_source(told, names),
        f"src/main/java/{folder}/{names.type}Extensions.kt": kotlin_source(told, names),
        "README.md": README.substitute(words),
    }
