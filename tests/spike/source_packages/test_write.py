"""Packages of source: built by the tools they are for, run on real samples, the same bits as the interpreter's."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.spike.digits import NAME, expected, samples, write_source
from tests.spike.installed import need, need_zig

from edgeproof.errors import ArtifactError, UsageError
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.program import Input, Linear, Output, Program, State
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.simplify import elementwise
from edgeproof.spike.source_packages.naming import naming
from edgeproof.spike.source_packages.write import PACKAGES, write_source_package
from edgeproof.spike.toolchain.build import build_library
from edgeproof.spike.toolchain.compilers import Compiler, compiler_for
from edgeproof.spike.toolchain.description import read_description
from edgeproof.spike.toolchain.freestanding import write_headers
from edgeproof.spike.toolchain.targets import TARGETS

HERE = Path(__file__).parent
ODD = 'in$"\\ put'
"""A name that has to be quoted in every language."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def wanted() -> bytes:
    return expected()


def odd_program() -> Program:
    """Two inputs with a row for each of 5 steps and awkward names; one output with a row for each step."""
    generator = np.random.default_rng(1)
    a, b = Input(ODD, (3,)), Input("class", (2, 2))
    total = elementwise(
        "add", Linear(a, generator.normal(size=(4, 3)).astype(np.float32), np.zeros(4, np.float32)), 0.25
    )
    state = State("s", np.zeros(4, np.float32))
    after = elementwise("add", elementwise("mul", state, 0.5), total)
    doubled = elementwise("mul", b, 2.0)
    outputs = (Output(ODD, after, "stack"), Output("class", doubled, "last"))
    return Program((a, b), ((state, after),), outputs, timesteps=5, sequence=True)


def run(*words: str | Path, given: bytes | None = None, **options) -> bytes:
    """Run a command that has to succeed; what it prints."""
    done = subprocess.run([str(word) for word in words], input=given, capture_output=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr.decode()[-3000:] + done.stdout.decode(errors="replace")[-1000:]
    return done.stdout


def configure(source: Path, out: Path, *words: str | Path, **options) -> None:
    run("cmake", "-S", source, "-B", out, *words, **options)
    run("cmake", "--build", out)


class TestCmake:
    USER = f"""cmake_minimum_required(VERSION 3.13)
project(user C)
find_package({NAME} 1.0 REQUIRED)
foreach(kind {NAME} {NAME}_shared)
  add_executable(with_${{kind}} main.c)
  target_link_libraries(with_${{kind}} PRIVATE {NAME}::${{kind}})
endforeach()
"""

    def test_it_is_built_installed_and_found(self, source: Path, wanted: bytes, tmp_path: Path) -> None:
        need("cmake")
        write_source_package(source, "cmake", tmp_path / "package")
        configure(tmp_path / "package", tmp_path / "made", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
        assert run(tmp_path / "made" / f"{NAME}_example", given=samples().tobytes()) == wanted
        run("cmake", "--install", tmp_path / "made", "--prefix", tmp_path / "installed")
        user = tmp_path / "user"
        user.mkdir()
        (user / "CMakeLists.txt").write_text(self.USER)
        shutil.copy(tmp_path / "package" / "example" / f"{NAME}_example.c", user / "main.c")
        configure(user, user / "made", f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}")
        for kind in (NAME, f"{NAME}_shared"):
            assert run(user / "made" / f"with_{kind}", given=samples().tobytes()) == wanted
        library = next((tmp_path / "installed").rglob(f"lib{NAME}.so"))
        assert Engine(library).timesteps == 12

    def test_for_another_processor(self, source: Path, wanted: bytes, tmp_path: Path) -> None:
        target = TARGETS["riscv64-linux"]
        assert target.gcc
        assert target.emulator
        need("cmake", target.gcc, target.emulator)
        write_source_package(source, "cmake", tmp_path / "package")
        toolchain = tmp_path / "riscv.cmake"
        toolchain.write_text(
            f"set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR riscv64)\nset(CMAKE_C_COMPILER {target.gcc})\n"
            "set(CMAKE_EXE_LINKER_FLAGS_INIT -static)\n"
        )
        configure(tmp_path / "package", tmp_path / "made", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
        program = tmp_path / "made" / f"{NAME}_example"
        assert program.read_bytes()[18] == 243  # EM_RISCV
        assert run(target.emulator, program, given=samples().tobytes()) == wanted

    def test_for_a_microcontroller(self, source: Path, tmp_path: Path) -> None:
        """A static library alone, with the sections that ``edgeproof build`` makes."""
        target = TARGETS["cortex-m4"]
        assert target.gcc
        need("cmake", target.gcc)
        write_source_package(source, "cmake", tmp_path / "package")
        toolchain = tmp_path / "cortex.cmake"
        toolchain.write_text(
            f"set(CMAKE_SYSTEM_NAME Generic)\nset(CMAKE_C_COMPILER {target.gcc})\n"
            f'set(CMAKE_C_FLAGS_INIT "{" ".join(target.flags)}")\nset(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)\n'
        )
        configure(tmp_path / "package", tmp_path / "made", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
        run("cmake", "--install", tmp_path / "made", "--prefix", tmp_path / "installed")
        made = [path.name for path in (tmp_path / "installed" / "lib").glob("lib*")]
        assert made == [f"lib{NAME}.a"]
        listed = run("arm-none-eabi-nm", "-u", tmp_path / "installed" / "lib" / made[0]).decode()
        assert "_GLOBAL_OFFSET_TABLE_" not in listed


@pytest.fixture(scope="module")
def android(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module with its library and classes for a JVM on this machine, in ``made`` and ``classes``."""
    need("cmake", "javac", "java")
    folder = tmp_path_factory.mktemp("android") / "module"
    write_source_package(source, "android", folder)
    return compiled(folder)


def compiled(folder: Path) -> Path:
    javac = shutil.which("javac")
    assert javac
    home = {**os.environ, "JAVA_HOME": str(Path(javac).resolve().parents[1])}
    flags = "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror"
    configure(folder / "src" / "main" / "cpp", folder / "made", flags, env=home)
    java = sorted((folder / "src").rglob("*.java"))
    run("javac", "--release", "8", "-Xlint:all,-options", "-Werror", "-d", folder / "classes", *java)
    return folder


def on_jvm(folder: Path, main: str, *classes: Path, given: bytes) -> bytes:
    path = ":".join(map(str, (folder / "classes", *classes)))
    words = ["java", "-Xcheck:jni", f"-Djava.library.path={folder / 'made'}", "-cp", path, main]
    done = subprocess.run(words, input=given, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert b"WARNING in native method" not in done.stdout
    return done.stdout


class TestAndroid:
    def test_java_runs_it_in_every_way(self, android: Path, wanted: bytes) -> None:
        """Arrays, direct buffers, steps, two threads; what is refused is in ``Check.java``."""
        classes = android / "check"
        run("javac", "-cp", android / "classes", "-d", classes, HERE / "Check.java")
        assert on_jvm(android, "Check", classes, given=samples().tobytes()) == wanted

    @pytest.mark.slow
    def test_kotlin_runs_it(self, android: Path, wanted: bytes) -> None:
        need("kotlinc")
        extensions = next((android / "src").rglob("*.kt"))
        classes = android / "kotlin"
        run("kotlinc", "-include-runtime", "-cp", android / "classes", "-d", android / "check.jar", extensions,
            HERE / "Check.kt")  # fmt: skip
        assert on_jvm(android, "CheckKt", android / "check.jar", classes, given=samples().tobytes()) == wanted

    def test_a_sequence_with_awkward_names(self, tmp_path: Path) -> None:
        need("cmake", "javac", "java")
        made = emit(odd_program(), "public")
        (tmp_path / "engine").mkdir()
        library = build_library(made, tmp_path / "engine")
        folder = tmp_path / "module"
        write_source_package(tmp_path / "engine" / "public.c", "android", folder)
        compiled(folder)
        (tmp_path / "Main.java").write_text("""
import edgeproof.enginepublic.PublicEngine;
import java.util.Arrays;

public final class Main {
    public static void main(String[] words) {
        float[] a = new float[15];
        float[] b = new float[20];
        for (int i = 0; i < 20; i++) {
            b[i] = i;
            if (i < 15) a[i] = i * 0.125f - 1;
        }
        try (PublicEngine engine = PublicEngine.open()) {
            float[][] whole = engine.run(a, b);
            engine.reset();
            for (int step = 0; step < PublicEngine.TIMESTEPS; step++) {
                float[][] one = engine.step(
                    Arrays.copyOfRange(a, 3 * step, 3 * step + 3), Arrays.copyOfRange(b, 4 * step, 4 * step + 4));
                if (!Arrays.equals(one[0], Arrays.copyOfRange(whole[0], 4 * step, 4 * step + 4)))
                    throw new AssertionError(step);
            }
            System.out.println(Arrays.toString(whole[0]) + Arrays.toString(whole[1]));
            System.out.println(PublicEngine.INPUTS + "" + PublicEngine.OUTPUTS.get(0).stepLength);
        }
    }
}
""")
        run("javac", "-cp", folder / "classes", "-d", tmp_path / "main", tmp_path / "Main.java")
        told, ports = on_jvm(folder, "Main", tmp_path / "main", given=b"").decode().splitlines()
        assert ports == f"[{ODD}[5, 3], class[5, 2, 2]]4"
        engine = Engine(library)
        given = [np.arange(15, dtype=np.float32) / 8 - 1, np.arange(20, dtype=np.float32)]
        taken = [np.zeros(20, np.float32), np.zeros(4, np.float32)]
        engine.bind(given, taken)()
        found = np.array(json.loads(f"[{told[1:-1].replace('][', ', ')}]"), np.float32)
        np.testing.assert_array_equal(found, np.concatenate(taken))

    def test_what_gradle_is_told(self, source: Path, tmp_path: Path) -> None:
        write_source_package(source, "android", tmp_path)
        gradle = (tmp_path / "build.gradle.kts").read_text()
        assert balanced(gradle)
        assert 'namespace = "edgeproof.smallnet"' in gradle
        for name in re.findall(r'(?:file|consumerProguardFiles)\("([^"]+)"\)', gradle):
            assert (tmp_path / name).is_file()
        assert ElementTree.parse(tmp_path / "src" / "main" / "AndroidManifest.xml").getroot().tag == "manifest"
        assert "edgeproof.smallnet.SmallNetEngine" in (tmp_path / "consumer-rules.pro").read_text()


def balanced(text: str) -> bool:
    """Whether brackets close in order, outside of strings and comments."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', re.sub(r"//[^\n]*", "", text))
    pairs, opened = {")": "(", "]": "[", "}": "{"}, []
    for word in bare:
        if word in pairs.values():
            opened.append(word)
        elif word in pairs and (not opened or opened.pop() != pairs[word]):
            return False
    return not opened and '"' not in bare.replace('""', "")


@pytest.fixture
def swift(source: Path, tmp_path: Path) -> Path:
    write_source_package(source, "swift", tmp_path / "package")
    return tmp_path / "package"


class TestSwift:
    """There is no Swift compiler among the tests' tools: the C target is built, and a parser reads the Swift."""

    @pytest.mark.parametrize("awkward", [False, True])
    def test_its_grammar(self, awkward: bool, source: Path, tmp_path: Path) -> None:
        import tree_sitter
        import tree_sitter_swift

        if awkward:
            made = emit(odd_program(), "public")
            source = tmp_path / "public.c"
            source.write_text(made.c)
            source.with_suffix(".h").write_text(made.h)
        write_source_package(source, "swift", tmp_path / "package")
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
        files = sorted((tmp_path / "package").rglob("*.swift"))
        assert len(files) == 2
        for file in files:
            text = file.read_bytes()
            assert not parser.parse(text).root_node.has_error, file
            assert parser.parse(text.replace(b"(", b"", 1)).root_node.has_error

    def test_the_c_target_stands_alone(self, swift: Path, wanted: bytes, tmp_path: Path) -> None:
        """Compiled as SwiftPM does: each ``.c`` by itself, with the public headers; used through these alone."""
        need("gcc")
        target = swift / "Sources" / "CSmallNetEngine"
        main = tmp_path / "main.c"
        main.write_text(f"""#include <{NAME}_handle.h>
#include <stdio.h>
int main(void) {{
  {NAME}_handle *engine = {NAME}_handle_open();
  float pixels[64], spikes[10], membrane[10], once[10], sum[10];
  const float *in[] = {{pixels}};
  float *out[] = {{spikes, membrane}}, *each[] = {{once, membrane}};
  while (fread(pixels, 4, 64, stdin) == 64) {{
    {NAME}_handle_reset(engine);
    for (int i = 0; i < 10; i++) sum[i] = 0;
    for (int step = 0; step < 12; step++) {{
      {NAME}_handle_run(engine, 1, in, each);
      for (int i = 0; i < 10; i++) sum[i] += once[i];
    }}
    {NAME}_handle_call(engine, in, out);
    for (int i = 0; i < 10; i++) if (sum[i] != spikes[i]) return 1;
    fwrite(spikes, 4, 10, stdout);
    fwrite(membrane, 4, 10, stdout);
  }}
  {NAME}_handle_close(engine);
  return 0;
}}
""")
        objects = []
        for c in (*sorted(target.glob("*.c")), main):
            objects.append(tmp_path / f"{c.stem}.o")
            run("gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{target / 'include'}", "-c", c, "-o",
                objects[-1], "-ffp-contract=off")  # fmt: skip
        run("gcc", *objects, "-lm", "-o", tmp_path / "main")
        assert run(tmp_path / "main", given=samples().tobytes()) == wanted

    def zig(self, *words: str | Path) -> None:
        need_zig()
        compiler_for(None, "zig")
        Compiler((sys.executable, "-m", "ziglang", "cc"), zig=True).compile([str(word) for word in words])

    def test_clang_reads_its_module_map(self, swift: Path, tmp_path: Path) -> None:
        use = tmp_path / "use.m"
        use.write_text(f"@import CSmallNetEngine;\n{NAME}_handle *made(void) {{ return {NAME}_handle_open(); }}\n")
        include = swift / "Sources" / "CSmallNetEngine" / "include"
        words = ["-x", "objective-c", "-fmodules", f"-fmodules-cache-path={tmp_path}", "-Werror"]
        self.zig("-target", "aarch64-macos", *words, f"-I{include}", "-c", use, "-o", tmp_path / "use.o")

    def test_clang_rounds_every_product_without_a_flag(self, swift: Path, tmp_path: Path) -> None:
        """A package may not set the flag: ``unsafeFlags`` would bar it from being a dependency."""
        need("aarch64-linux-gnu-objdump")
        c = swift / "Sources" / "CSmallNetEngine" / f"{NAME}.c"
        fused = {}
        for pragma in (True, False):
            folder = tmp_path / str(pragma)
            folder.mkdir()
            text = c.read_text()
            (folder / c.name).write_text(text if pragma else text.replace("#pragma STDC FP_CONTRACT OFF", ""))
            made = folder / "made.o"
            shutil.copy(c.with_suffix(".h"), folder)
            self.zig("-target", "aarch64-linux-musl", "-O2", "-c", folder / c.name, "-o", made)
            code = run("aarch64-linux-gnu-objdump", "-d", made).decode()
            fused[pragma] = re.search(r"\bfml[as]\b|\bfn?m(?:add|sub)\b", code) is not None
        assert fused == {True: False, False: True}

    def test_the_c_target_compiles_for_ios(self, swift: Path, tmp_path: Path) -> None:
        (tmp_path / "headers").mkdir()
        headers = write_headers(tmp_path / "headers")
        target = swift / "Sources" / "CSmallNetEngine"
        for c in sorted(target.glob("*.c")):
            words = ["-std=c11", "-O2", "-Wall", "-Werror", "-isystem", headers, f"-I{target / 'include'}"]
            self.zig("-target", "aarch64-ios", *words, "-c", c, "-o", tmp_path / f"{c.stem}.o")
            assert (tmp_path / f"{c.stem}.o").read_bytes()[:4] == b"\xcf\xfa\xed\xfe"

    def test_its_structure(self, swift: Path) -> None:
        package = (swift / "Package.swift").read_text()
        assert re.match(r"// swift-tools-version:5\.\d+\nimport PackageDescription\n", package)
        assert balanced(package)
        targets = re.findall(r'\.target\(name: "(\w+)"', package)
        assert targets == ["CSmallNetEngine", "SmallNetEngine"]
        for name in targets:
            assert (swift / "Sources" / name).is_dir()
        for used in re.findall(r'(?:targets|dependencies): \["(\w+)"\]', package):
            assert used in targets
        for copied in re.findall(r'\.copy\("([^"]+)"\)', package):
            told = plistlib.loads((swift / "Sources" / "SmallNetEngine" / copied).read_bytes())
            assert told["NSPrivacyTracking"] is False
            assert not told["NSPrivacyCollectedDataTypes"]
        include = swift / "Sources" / "CSmallNetEngine" / "include"
        module = (include / "module.modulemap").read_text()
        assert module.startswith("module CSmallNetEngine {")
        assert [(include / header).is_file() for header in re.findall(r'header "([^"]+)"', module)] == [True]
        text = (swift / "Sources" / "SmallNetEngine" / "SmallNetEngine.swift").read_text()
        assert balanced(text)
        assert text.startswith("import CSmallNetEngine\n")
        declared = (include / f"{NAME}_handle.h").read_text()
        called = set(re.findall(rf"\b{NAME}_handle_\w+(?=\()", text))
        assert len(called) == 5
        assert all(f"{function}(" in declared for function in called)

    def test_awkward_names(self, tmp_path: Path) -> None:
        made = emit(odd_program(), "public")
        (tmp_path / "public.c").write_text(made.c)
        (tmp_path / "public.h").write_text(made.h)
        write_source_package(tmp_path / "public.c", "swift", tmp_path / "package")
        text = (tmp_path / "package" / "Sources" / "PublicEngine" / "PublicEngine.swift").read_text()
        assert balanced(text)
        assert "public func predict(inPut: [Float], valueClass: [Float]) throws" in text
        assert "-> (inPut_2: [Float], valueClass_2: [Float])" in text
        assert r'Port(name: "in$\u{22}\u{5c} put", shape: [5, 3], count: 15, stepCount: 3)' in text
        names = naming(read_description(tmp_path / "public.c"))
        assert (names.type, names.package) == ("PublicEngine", "edgeproof.enginepublic")


@pytest.mark.parametrize("kind", sorted(PACKAGES))
def test_a_package_is_the_same_each_time(kind: str, source: Path, tmp_path: Path) -> None:
    first, second = (
        {
            path.relative_to(tmp_path / place): path.read_text()
            for path in write_source_package(source, kind, tmp_path / place)
        }
        for place in ("a", "b")
    )
    assert first == second
    assert Path("README.md") in first


def test_what_is_no_engine_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "main.h").write_text("")
    with pytest.raises(ArtifactError, match="holds no description"):
        write_source_package(tmp_path / "main.c", "cmake", tmp_path / "out")
    with pytest.raises(UsageError, match="a folder of its own"):
        write_source_package(source, "swift", source.parent)


def test_the_command(source: Path, tmp_path: Path) -> None:
    words = ["build", str(source.parent), "--kind", "cmake", "--out", str(tmp_path / "out"), "--json"]
    told = json.loads(run(sys.executable, "-c", "from edgeproof.cli import main; main()", *words))
    assert told["kind"] == "cmake"
    assert all((tmp_path / "out" / name).is_file() for name in told["files"])
