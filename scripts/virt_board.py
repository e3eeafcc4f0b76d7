#!/usr/bin/env python3
"""Make a whole emulated board that starts in a minute: Debian's arm64 kernel, a busybox and an SSH server on a disk.

    scripts/virt_board.py DIR          # kernel, initrd.gz, disk.img, key
    EDGEPROOF_VIRT=DIR make test-long  # the tests that start it anew and cut it off

QEMU runs all of it as a machine (`-M virt`), so that it can lose its power, which a process cannot. Needs mmdebstrap,
qemu-system-arm and e2fsprogs, no rights of root, and a Debian mirror.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from initrd import extract, lay_busybox, lay_modules, write_initrd

PACKAGES = ("busybox-static", "dropbear-bin", "linux-image-arm64")
MODULES = ("virtio_mmio", "virtio_net", "virtio_blk", "ext4", "crc32c_generic")
DISK_MB = 64
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /root
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts
mount -t devpts pts /dev/pts
for module in $(cat /modules/order); do insmod /modules/$module.ko 2>/dev/null; done
ip link set lo up; ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /home || echo 'no disk'
mkdir -p /home/pi/.ssh; cp /authorized_keys /home/pi/.ssh/
chmod 700 /home/pi /home/pi/.ssh; chown -R 1000:1000 /home/pi
[ -f /home/host ] || dropbearkey -t ed25519 -f /home/host
chmod 1777 /tmp
dropbear -F -E -r /home/host -p 22 -s
"""
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n",
    "etc/group": "root:x:0:\npi:x:1000:\n",
    "etc/shells": "/bin/sh\n",
}


def libraries(root: Path, program: Path) -> list[Path]:
    """What a program of that system loads, its loader first; by the names in it, which readelf knows."""
    found: dict[str, Path] = {}
    waiting = [program]
    while waiting:
        told = subprocess.run(["readelf", "-d", str(waiting.pop())], capture_output=True, text=True, check=True).stdout
        for line in told.splitlines():
            if "(NEEDED)" in line:
                name = line.split("[")[1].rstrip("]")
                if name not in found:
                    path = next(p for p in root.rglob(name) if p.exists())
                    found[name] = path
                    waiting.append(path.resolve())
    return list(found.values())


def make(out: Path, suite: str) -> None:
    with tempfile.TemporaryDirectory(prefix="virt-") as folder:
        root, tree = Path(folder) / "root", Path(folder) / "tree"
        kernel = extract(root, suite, "arm64", PACKAGES)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kernel, out / "kernel")
        for name in ("etc", "lib", "home", "proc", "sys", "dev"):
            (tree / name).mkdir(parents=True)
        lay_busybox(tree, root)
        programs = [root / "usr/sbin/dropbear", root / "usr/bin/dropbearkey"]
        for program in programs:
            shutil.copy(program, tree / "bin" / program.name)
            for library in libraries(root, program):
                shutil.copy(library.resolve(), tree / "lib" / library.name)
        loader = next(root.rglob("ld-linux-aarch64.so.1")).resolve()
        shutil.copy(loader, tree / "lib/ld-linux-aarch64.so.1")
        lay_modules(tree, root, MODULES)
        for name, text in ACCOUNTS.items():
            (tree / name).write_text(text)
        if not (out / "key").exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "virt", "-f", str(out / "key")]
            subprocess.run(words, check=True)
        shutil.copy(out / "key.pub", tree / "authorized_keys")
        write_initrd(tree, INIT, out / "initrd.gz")
        with (out / "disk.img").open("wb") as disk:
            disk.truncate(DISK_MB << 20)
        mke2fs = shutil.which("mke2fs") or "/sbin/mke2fs"
        subprocess.run([mke2fs, "-q", "-t", "ext4", "-F", str(out / "disk.img")], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--suite", default="bookworm", help="of Debian (default bookworm)")
    given = parser.parse_args()
    try:
        make(given.out, given.suite)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{given.out}: {sum(path.stat().st_size for path in given.out.iterdir()) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
