#!/usr/bin/env python3
"""Install lock files into the environment of the Python that runs this: with uv where it works, else with pip.

uv is many times quicker than pip, and does not read pip's configuration: where this machine tells pip to look for
packages, and which certificates to trust, is handed on to it. Needs nothing but the standard library.

A lock is installed without dependencies, since it is the whole set; torch is the exception. Its CPU build needs nothing
beyond the lock and is taken where it can be had; the CUDA build, which the public index has for Linux, brings libraries
that no lock names, and cannot be imported without them.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LISTS = {"find-links": "--find-links", "extra-index-url": "--extra-index-url", "trusted-host": "--allow-insecure-host"}
"""Options of pip that hold several values, and what uv calls them."""
NO_TORCH = 3
"""Exit code where no build of torch could be had."""
ASK_SECONDS = 20.0
"""Time for uv to ask where CPU builds of torch lie: unreachable, that place must not hold the set-up up."""


def pip_settings() -> dict[str, str]:
    """pip's options from its files and the environment; what is nearer wins: environment, command, global."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    ranked: dict[str, tuple[int, str]] = {}
    for line in done.stdout.splitlines():
        key, found, value = line.partition("=")
        section, _, option = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if found and rank is not None and rank >= ranked.get(option, (-1, ""))[0]:
            ranked[option] = (rank, str(ast.literal_eval(value)))
    return {option: value for option, (_, value) in ranked.items()}


def uv_call(settings: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment with which uv finds packages where pip does."""
    arguments = ["--index-strategy", "unsafe-best-match"] if "extra-index-url" in settings else []
    for option, flag in LISTS.items():
        for value in settings.get(option, "").split():
            arguments += [flag, value]
    if "index-url" in settings:
        arguments += ["--index-url", settings["index-url"]]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        arguments.append("--no-index")
    environment = dict(os.environ)
    if "cert" in settings:
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    if "proxy" in settings:
        environment.setdefault("HTTPS_PROXY", settings["proxy"])
    seconds = settings.get("default-timeout", settings.get("timeout"))
    if seconds:
        environment.setdefault("UV_HTTP_TIMEOUT", str(int(float(seconds))))
    return arguments, environment


@dataclass(frozen=True)
class Uv:
    """uv, told to look for packages where pip does."""

    path: Path
    arguments: tuple[str, ...]
    environment: dict[str, str]
    bytecode: bool = True

    def install(self, *what: str) -> bool:
        """Whether it installed them."""
        command = [*self._command("--quiet", *(["--compile-bytecode"] if self.bytecode else [])), *what]
        return subprocess.run(command, env=self.environment, check=False).returncode == 0

    def would_install(self, *what: str, seconds: float | None = None) -> dict[str, str] | None:
        """Versions by name of what it would install; None when it cannot, or not say so in ``seconds``."""
        environment = self.environment | ({} if seconds is None else {"UV_HTTP_RETRIES": "0"})
        try:
            done = subprocess.run(
                [*self._command("--dry-run", "--color", "never"), *what],
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
        return dict(re.findall(r"^ \+ ([\w.-]+)==(\S+)", done.stderr + done.stdout, re.MULTILINE))

    def _command(self, *options: str) -> list[str]:
        return [str(self.path), "pip", "install", *options, "--python", sys.executable, *self.arguments]


def find_uv(*, bytecode: bool = True) -> Uv | None:
    """uv in this environment, installed where it is missing; None where it cannot be had."""
    path = Path(sys.executable).with_name("uv")
    if not path.exists():
        bootstrap = [sys.executable, "-m", "pip", "install", "-qq", "uv"]
        if subprocess.run(bootstrap, check=False).returncode != 0 or not path.exists():
            return None
    arguments, environment = uv_call(pip_settings())
    return Uv(path, tuple(arguments), environment, bytecode)


def pin_of(name: str, locks: Sequence[Path]) -> str | None:
    """``name==version`` as the locks pin it, without its marker."""
    for lock in locks:
        for line in lock.read_text().splitlines():
            pin = line.partition(";")[0].strip()
            if pin.partition("==")[0] == name:
                return pin
    return None


def torch_arguments(uv: Uv, torch: str, within: Sequence[str]) -> list[str]:
    """What uv is to install as torch: its CPU build where one can be had, else what the index gives, and what it needs.

    Args:
        torch: the pin.
        within: arguments that keep what it needs at the locks' versions.
    """
    usual = [torch, *within]
    found = uv.would_install(*usual)
    if found is None or not any(name.startswith(("nvidia-", "cuda-")) for name in found):
        return usual
    if "+" in found.get("torch", "+"):  # a build that pip's settings choose, or one that is there and lacks libraries
        return usual
    backend = ["--torch-backend=cpu", *usual]
    if "--no-index" not in uv.arguments and uv.would_install(*backend, seconds=ASK_SECONDS) is not None:
        return backend
    print(
        f"no CPU build of {torch} can be reached from here: taking the CUDA build with its libraries, some GB more",
        file=sys.stderr,
        flush=True,
    )
    return usual


def install_torch(uv: Uv | None, torch: str, locks: Sequence[Path]) -> bool:
    """Whether torch is installed, with what it needs to be imported."""
    within = [part for lock in locks for part in ("--constraint", str(lock))]
    if uv is not None:
        wanted = torch_arguments(uv, torch, within)
        if uv.install(*wanted) or (wanted[0] != torch and uv.install(torch, *within)):
            return True
        print(f"uv could not install {torch}; going on with pip, which takes longer", file=sys.stderr, flush=True)
    return pip_install(torch, *within)


def pip_install(*what: str) -> bool:
    """Whether pip installed them."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    return subprocess.run(command, check=False).returncode == 0


def torch_build() -> tuple[str, bool]:
    """torch imported in a process of its own: what it is, or why it is not; and whether it could be imported."""
    code = (
        "import torch; g = torch.version.cuda or torch.version.hip;"
        "print(torch.__version__, f'(built for GPUs, {g})' if g else '(CPU build)')"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return (said[-1] if said else f"it ended with {done.returncode}"), done.returncode == 0


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder, each once however many names it has."""
    sizes = {}
    for path in folder.rglob("*"):
        told = path.lstat()
        if stat.S_ISREG(told.st_mode):
            sizes[told.st_dev, told.st_ino] = told.st_size
    return sum(sizes.values())


def install(locks: Sequence[Path], editable: Path | None, *, bytecode: bool = True) -> int:
    """Install them, torch first; an exit code. What went wrong is said on stderr."""
    uv = find_uv(bytecode=bytecode)
    torch = pin_of("torch", locks)
    if torch is not None and not install_torch(uv, torch, locks):
        print(
            f"{torch} could not be installed for Python {sys.version_info[0]}.{sys.version_info[1]}: what stands above "
            "says why; try another network, or point pip at a folder that has it: pip config set global.find-links "
            "FOLDER",
            file=sys.stderr,
        )
        return NO_TORCH
    whole = ["--no-deps", *(part for lock in locks for part in ("-r", str(lock)))]
    if uv is None or not uv.install(*whole):
        print("uv could not install them; going on with pip, which takes longer", file=sys.stderr, flush=True)
        if not pip_install(*whole):
            return 1
    if editable is not None and not pip_install("--no-deps", "--no-build-isolation", "--editable", str(editable)):
        return 1
    return 0


def main() -> int:
    """Install, and say what it is and how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example:  .venv/bin/python scripts/install.py requirements.lock\n"
        f"Exit codes: 0 installed, 1 not installed or torch cannot be imported, {NO_TORCH} no torch to be had.",
    )
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK", help="files of pinned requirements")
    parser.add_argument(
        "--editable", type=Path, metavar="FOLDER", help="then install this project as an editable package"
    )
    parser.add_argument(
        "--no-bytecode",
        action="store_true",
        help="do not compile the packages in advance: for an environment used once",
    )
    given = parser.parse_args()
    names = ", ".join(lock.name for lock in given.locks)
    print(f"installing what {names} pins: a minute or two the first time", file=sys.stderr, flush=True)
    began = time.monotonic()
    code = install(given.locks, given.editable, bytecode=not given.no_bytecode)
    if code != 0:
        return code
    told = ""
    if pin_of("torch", given.locks) is not None:
        build, imported = torch_build()
        if not imported:
            print(
                f"torch is installed and cannot be imported: {build}\n"
                "remove the environment and build it anew (make clean); where that does not help, point pip at a "
                "folder or an index that has the CPU build (pip config set global.find-links FOLDER), and do it again",
                file=sys.stderr,
            )
            return 1
        told = f": torch {build}, {size_of(Path(sys.prefix)) / 1e9:.1f} GB in {sys.prefix}"
    print(f"installed in {time.monotonic() - began:.0f} s{told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
