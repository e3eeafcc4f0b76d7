#!/usr/bin/env python3
"""Install lock files into the environment of the Python that runs this: with uv where it works, else with pip.

uv is many times quicker than pip, and does not read pip's configuration: where this machine tells pip to look for
packages, and which certificates to trust, is handed on to it. Needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import time
from pathlib import Path

LISTS = {"find-links": "--find-links", "extra-index-url": "--extra-index-url", "trusted-host": "--allow-insecure-host"}
"""Options of pip that hold several values, and what uv calls them."""


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


def install_with_uv(locks: list[Path]) -> bool:
    """Whether uv installed them."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        bootstrap = [sys.executable, "-m", "pip", "install", "-qq", "uv"]
        if subprocess.run(bootstrap, check=False).returncode != 0 or not uv.exists():
            return False
    arguments, environment = uv_call(pip_settings())
    command = [
        str(uv),
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        sys.executable,
        "--no-deps",
        *arguments,
    ]
    for lock in locks:
        command += ["-r", str(lock)]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def main() -> int:
    """Install and say how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example:  .venv/bin/python scripts/install.py requirements.lock"
    )
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK", help="files of pinned requirements")
    parser.add_argument(
        "--editable", type=Path, metavar="FOLDER", help="then install this project as an editable package"
    )
    given = parser.parse_args()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    names = ", ".join(lock.name for lock in given.locks)
    count = sum(
        1 for lock in given.locks for line in lock.read_text().splitlines() if line and not line.startswith("#")
    )
    print(f"installing {count} packages of {names}: a minute or two the first time", file=sys.stderr, flush=True)
    began = time.monotonic()
    if not install_with_uv(given.locks):
        print("uv could not install them; going on with pip, which takes longer", file=sys.stderr, flush=True)
        subprocess.run([*pip, *[part for lock in given.locks for part in ("-r", str(lock))]], check=True)
    if given.editable is not None:
        subprocess.run([*pip, "--no-build-isolation", "--editable", str(given.editable)], check=True)
    print(f"installed in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
