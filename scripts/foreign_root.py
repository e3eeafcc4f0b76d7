#!/usr/bin/env python3
"""Make the folder by which artifacts run on processors of another architecture, by emulation: a small Debian of it with
its Python, and the wheels of the runtimes in the versions that are installed here.

    scripts/foreign_root.py            # aarch64: Raspberry Pi, Android
    edgeproof validate MODEL out/onnx-int8 --processors cortex-a53,cortex-a76

`edgeproof devices emulate raspberrypi4` makes the same folder and tries it as a board. Needs Debian's or Ubuntu's
mmdebstrap and qemu-user-static, no rights of root, and the network: a Debian mirror, and wherever pip finds packages.
Nothing of it is installed, and to delete the folder is to be rid of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeproof.devices.emulated.root import DEBIAN, make_root
from edgeproof.devices.emulation import foreign_root, python_on
from edgeproof.devices.processors import PROCESSORS
from edgeproof.errors import EdgeProofError


def check(architecture: str) -> None:
    """Start its Python on each of its processors.

    Raises:
        EdgeProofError: it does not start.
    """
    for processor in (known for known in PROCESSORS.values() if known.architecture == architecture):
        with tempfile.TemporaryDirectory() as folder:
            words = [*python_on(processor, Path(folder)), "-c", "import numpy, msgspec, edgeproof"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EdgeProofError(f"Python does not start on {processor.name}: {done.stderr[-300:]}")
        print(f"{processor.name}: starts", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture", nargs="?", default="aarch64", choices=sorted(DEBIAN))
    parser.add_argument("--suite", default="bookworm", help="of Debian (default bookworm)")
    given = parser.parse_args()
    root = foreign_root(given.architecture)
    try:
        left_out = make_root(given.architecture, lambda line: print(line, flush=True), suite=given.suite)
        check(given.architecture)
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    size = sum(part.lstat().st_size for part in root.rglob("*"))
    print(f"{root}: {size / 1e6:.0f} MB")
    for reason in left_out:
        print(f"left out: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
