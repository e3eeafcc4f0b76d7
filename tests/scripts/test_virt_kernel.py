"""The machine that runs another kernel on this one's files: its first file system, and what a command gets there."""

from __future__ import annotations

import gzip
import os
import platform
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.spike.installed import need

SCRIPTS = Path(__file__).parents[2] / "scripts"
VARIABLE = "EDGEPROOF_KERNEL"
"""The folder that ``scripts/virt_kernel.py`` has made."""


@pytest.fixture
def initrd() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPTS / "initrd.py")))


def unpacked(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Names with mode and content, as the kernel's Documentation/driver-api/early-userspace/buffer-format tells."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * index : at + 14 + 8 * index], 16) for index in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        begin = (at + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = mode, archive[begin : begin + size]
        at = (begin + size + 3) // 4 * 4


def test_modules_stand_behind_what_they_need(initrd: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "root/lib/modules/6/kernel"
    folder.mkdir(parents=True)
    for name, needed in (("shaper", "link,ring"), ("link", "ring"), ("ring", ""), ("other", "")):
        (folder / f"{name}.ko").write_bytes(b"\x7fELF\0depends=" + needed.encode() + b"\0rest")
    initrd.lay_modules(tmp_path / "tree", tmp_path / "root", ("shaper", "built_in"))
    assert (tmp_path / "tree/modules/order").read_text().split() == ["ring", "link", "shaper"]
    assert {path.name for path in (tmp_path / "tree/modules").iterdir()} == {"order", "ring.ko", "link.ko", "shaper.ko"}


def test_the_first_file_system_is_one_that_a_kernel_unpacks(initrd: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "root/bin").mkdir(parents=True)
    (tmp_path / "root/bin/busybox").write_bytes(b"program")
    initrd.lay_busybox(tmp_path / "tree", tmp_path / "root")
    initrd.write_initrd(tmp_path / "tree", "#!/bin/busybox sh\n", tmp_path / "initrd.gz")
    found = unpacked(gzip.decompress((tmp_path / "initrd.gz").read_bytes()))
    assert list(found) == ["bin", "bin/busybox", "bin/sh", "init"]
    assert found["init"] == (0o100755, b"#!/bin/busybox sh\n")
    assert found["bin/busybox"] == (0o100755, b"program")
    assert found["bin/sh"] == (0o120777, b"busybox")


@pytest.mark.long
@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"scripts/virt_kernel.py makes a kernel: {VARIABLE}=DIR")
def test_a_command_has_our_files_and_another_kernel_and_tells_its_end(tmp_path: Path) -> None:
    need("qemu-system-x86_64")
    (tmp_path / "here").write_text("a file of this machine's\n")
    script = 'cat here; uname -r; id -u; echo "$WORD"; echo gone > here; cat here; exit 7'
    done = subprocess.run(
        [sys.executable, SCRIPTS / "virt_kernel.py", os.environ[VARIABLE], "sh", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"WORD": "with 'quotes' and $signs"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if not line.startswith("[")]  # the kernel's own have their time
    *_, file, kernel, user, word, written = told
    assert done.returncode == 7, done.stdout + done.stderr
    assert file == "a file of this machine's"
    assert kernel != platform.release()
    assert (user, word, written) == (str(os.getuid()), "with 'quotes' and $signs", "gone")
    assert (tmp_path / "here").read_text() == "a file of this machine's\n", "what is written stays there"
