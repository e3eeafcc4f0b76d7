#!/usr/bin/env python3
"""Make a whole emulated board that starts in a minute: Debian's arm64 kernel, a busybox and an SSH server on a disk.

    scripts/virt_board.py DIR          # kernel, initrd.gz, disk.img, key
    EDGEPROOF_VIRT=DIR make test-long  # the tests that start it anew and cut it off

QEMU runs all of it as a machine (`-M virt`), so that it can lose its power, which a process cannot. Needs mmdebstrap,
qemu-system-arm and e2fsprogs, no rights of root, and a Debian mirror.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

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


def module_order(folder: Path) -> list[Path]:
    """Modules with all that they need before them, by their own words."""
    by_name = {path.name.removesuffix(".ko").replace("-", "_"): path for path in folder.rglob("*.ko")}
    order: list[Path] = []

    def take(name: str) -> None:
        path = by_name.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        data = path.read_bytes()
        start = data.find(b"\0depends=")
        needed = data[start + 9 : data.index(b"\0", start + 9)].decode() if start >= 0 else ""
        for one in filter(None, needed.split(",")):
            take(one)
        order.append(path)

    for name in MODULES:
        take(name)
    return order


def archive(tree: Path) -> bytes:
    """A folder as a kernel unpacks it (the "newc" form of cpio)."""
    parts = []

    def add(name: str, mode: int, data: bytes, number: int) -> None:
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    for number, path in enumerate(sorted(tree.rglob("*")), 1):
        told = path.lstat()
        if path.is_symlink():
            add(str(path.relative_to(tree)), stat.S_IFLNK | 0o777, str(path.readlink()).encode(), number)
        else:
            data = b"" if path.is_dir() else path.read_bytes()
            add(str(path.relative_to(tree)), told.st_mode, data, number)
    add("TRAILER!!!", 0, b"", 0)
    return b"".join(parts)


def make(out: Path, suite: str) -> None:
    with tempfile.TemporaryDirectory(prefix="virt-") as folder:
        root, tree = Path(folder) / "root", Path(folder) / "tree"
        words = ["mmdebstrap", "--variant=extract", "--architectures=arm64", f"--include={','.join(PACKAGES)}"]
        subprocess.run([*words, "--quiet", suite, str(root)], check=True)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(next(root.glob("boot/vmlinuz-*")), out / "kernel")
        for name in ("bin", "etc", "modules", "lib", "home", "proc", "sys", "dev"):
            (tree / name).mkdir(parents=True)
        shutil.copy(root / "bin/busybox", tree / "bin/busybox")
        (tree / "bin/sh").symlink_to("busybox")
        programs = [root / "usr/sbin/dropbear", root / "usr/bin/dropbearkey"]
        for program in programs:
            shutil.copy(program, tree / "bin" / program.name)
            for library in libraries(root, program):
                shutil.copy(library.resolve(), tree / "lib" / library.name)
        loader = next(root.rglob("ld-linux-aarch64.so.1")).resolve()
        shutil.copy(loader, tree / "lib/ld-linux-aarch64.so.1")
        order = module_order(root / "lib/modules")
        for path in order:
            shutil.copy(path, tree / "modules" / path.name)
        (tree / "modules/order").write_text("\n".join(path.name.removesuffix(".ko") for path in order) + "\n")
        for name, text in ACCOUNTS.items():
            (tree / name).write_text(text)
        if not (out / "key").exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "virt", "-f", str(out / "key")]
            subprocess.run(words, check=True)
        shutil.copy(out / "key.pub", tree / "authorized_keys")
        (tree / "init").write_text(INIT)
        for path in (tree / "init", *(tree / "bin").iterdir()):
            if not path.is_symlink():
                path.chmod(0o755)
        (out / "initrd.gz").write_bytes(gzip.compress(archive(tree), 6))
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
