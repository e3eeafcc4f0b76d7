#!/usr/bin/env python3
"""Fuzzes the readers of files and requests of unknown origin, each in a process of its own.

With atheris installed (pip install atheris) cheap targets are guided by coverage; else seeded mutations are made. The
input that broke a target is kept, and its path printed: it becomes a regression test.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

LONGEST_INPUT = 65536
WORD = re.compile(rb"[A-Za-z0-9_-]{2,40}")
"""What a guided fuzzer puts together: names and numbers of the seeds."""


def mutate(name: str, runs: int, first: int, crashes: Path) -> int:
    """Run seeded mutations; 1 with the input that broke the target kept, else 0."""
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import TARGETS, TOKENS

    target = TARGETS[name]
    seeds = list(target.seeds())
    for number in range(first, first + runs):
        raw = mutated(seeds, TOKENS, number, target.change)
        try:
            target.read(raw)
        except Exception:
            traceback.print_exc()
            crashes.mkdir(parents=True, exist_ok=True)
            (crashes / f"{name}-{number}").write_bytes(raw)
            print(f"{name}: input {number} broke it: {crashes / f'{name}-{number}'}")
            return 1
    return 0


def guide(name: str, runs: int, seed: int, crashes: Path) -> None:
    """Have atheris run it; does not return."""
    import tempfile

    import atheris

    for module in [module for module in sys.modules if module.partition(".")[0] in {"edgeproof", "tests"}]:
        del sys.modules[module]  # what is imported already would not be instrumented
    with atheris.instrument_imports(include=["edgeproof"]):
        from tests.fuzz.targets import TARGETS, TOKENS

        target = TARGETS[name]
        corpus, found = Path(tempfile.mkdtemp(prefix="edgeproof-corpus-")), set[bytes]()
        for number, raw in enumerate((*target.seeds(), *TOKENS)):
            (corpus / f"seed-{number}").write_bytes(raw)
            found.update(WORD.findall(raw))
            target.read(raw)
    dictionary = corpus.with_suffix(".dict")
    dictionary.write_text("".join(f'"{word.decode()}"\n' for word in sorted(found)))
    crashes.mkdir(parents=True, exist_ok=True)
    limits = [f"-runs={runs}", f"-seed={seed + 1}", f"-max_len={LONGEST_INPUT}"]
    files = [f"-artifact_prefix={crashes}/{name}-", f"-dict={dictionary}", str(corpus)]
    change = target.change

    def mutate(raw: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        if change is not None and chance.random() < 0.5:
            raw = change(raw, chance)
            if chance.random() < 0.7:
                return raw[:most]
        return bytes(atheris.Mutate(raw, most))

    words = [sys.argv[0], *limits, "-verbosity=0", "-print_final_stats=1", *files]
    atheris.Setup(words, target.read, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> int:
    """Fuzz; 0 where nothing broke."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--runs", type=int, default=100_000, help="of each cheap target; a hundredth of the others")
    parser.add_argument("--seed", type=int, default=0, help="where the mutations begin")
    parser.add_argument("--crashes", type=Path, default=ROOT / "fuzz-crashes", help="folder for what broke a target")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"unknown target {', '.join(sorted(unknown))}; known: {', '.join(TARGETS)}")
    guided = find_spec("atheris") is not None
    if options.one:
        if guided and TARGETS[options.one].cheap:
            guide(options.one, options.runs, options.seed, options.crashes)
        return mutate(options.one, options.runs, options.seed, options.crashes)
    broken = []
    for name in options.targets or TARGETS:
        runs = options.runs if TARGETS[name].cheap else max(1, options.runs // 100)
        words = ["--one", name, "--runs", str(runs), "--seed", str(options.seed), "--crashes", str(options.crashes)]
        began = time.monotonic()
        done = subprocess.run([sys.executable, __file__, *words], check=False)
        how = "guided by coverage" if guided and TARGETS[name].cheap else "seeded mutations"
        said = "nothing broke" if done.returncode == 0 else f"BROKEN, exit code {done.returncode}"
        print(f"{name}: {runs:,} runs, {how}, {time.monotonic() - began:.0f} s: {said}", flush=True)
        broken += [name] * (done.returncode != 0)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
