#!/usr/bin/env python3
"""Run a command on this machine's files under Debian's kernel, where the one that runs here lacks something.

    scripts/virt_kernel.py DIR                                    # kernel, initrd.gz
    scripts/virt_kernel.py DIR .venv/bin/pytest tests/client/shaping

QEMU runs a machine of this processor, by KVM where it can. Its root is this machine's, read-only, and what is
written is gone with it; the command has this folder, environment and user, and its exit code is that of the script, 125
where the machine does not come so far. Modules that shape networks are loaded. Needs mmdebstrap and qemu-system-x86, no
rights of root, and for DIR, once, a Debian mirror.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from initrd import extract, lay_busybox, lay_modules, write_initrd

PACKAGES = ("busybox-static", "linux-image-amd64")
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "veth", "sch_netem")
NO_MACHINE = 125
"""Exit code where the command was not run, or not to its end."""
KERNEL_WORDS = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable"
JOB = "/run/virt-kernel"
INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /host /over /new
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
off() {{ echo "error: $*"; echo o > /proc/sysrq-trigger; sleep 60; }}
for module in $(cat /modules/order); do insmod /modules/$module.ko || off "no module $module"; done
ip link set lo up
shared=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o $shared,ro,cache=loose root /host || off "no file system of this machine's"
mount -t tmpfs -o mode=755 tmpfs /over; mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /new || off "nothing to write to"
mount -t proc proc /new/proc; mount -t sysfs sysfs /new/sys; mount -t devtmpfs dev /new/dev
ln -sf /proc/self/fd /new/dev/fd
mkdir -p /new/dev/pts /new/dev/shm {"/new" + JOB}
mount -t devpts devpts /new/dev/pts; mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
mount -t 9p -o $shared job {"/new" + JOB} || off "no folder of the command's"
exec switch_root /new /bin/sh {JOB}/begin
"""


def make(out: Path, suite: str) -> None:
    """Make the folder with kernel and first file system."""
    with tempfile.TemporaryDirectory(prefix="virt-") as folder:
        root, tree = Path(folder) / "root", Path(folder) / "tree"
        kernel = extract(root, suite, "amd64", PACKAGES)
        lay_busybox(tree, root)
        lay_modules(tree, root, MODULES)
        out.mkdir(parents=True, exist_ok=True)
        write_initrd(tree, INIT, out / "initrd.gz")
        shutil.copyfile(kernel, out / "kernel")


def beginning(command: Sequence[str]) -> str:
    """The script that the machine goes on with: the command as this user, here, in this environment, and the end."""
    words = ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--clear-groups", "--"]
    words += ["env", "-i", *(f"{name}={value}" for name, value in os.environ.items()), *command]
    return f"""stty -F /dev/console -opost
cd {shlex.quote(str(Path.cwd()))}
{{ {shlex.join(words)}; echo $? > {JOB}/code; }} < /dev/null 2>&1 | cat
echo o > /proc/sysrq-trigger
sleep 60
"""


def processor() -> list[str]:
    """How QEMU runs the processor: by KVM where this one can, else itself.

    KVM's device is no proof that it can: where a hypervisor keeps the instructions to itself it opens, and no machine
    ever begins. Emulated, an instruction is a nanosecond of the machine's clock, and waiting takes its time: so delays
    inside are those of a processor at 1 GHz, however slow the emulation and busy this machine.
    """
    flags = Path("/proc/cpuinfo").read_text().split()
    if {"vmx", "svm"} & set(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-smp", str(min(4, os.cpu_count() or 1))]
    return ["-accel", "tcg", "-icount", "shift=0,sleep=on", "-smp", "1"]


def run(made: Path, command: Sequence[str], *, memory_mb: int, limit_s: float) -> int:
    """Run a command in the machine.

    Returns:
        its exit code.

    Raises:
        OSError: there is no QEMU, or it took longer than the limit.
    """
    with tempfile.TemporaryDirectory(prefix="virt-") as folder:
        job = Path(folder)
        (job / "begin").write_text(beginning(command))
        words = ["qemu-system-x86_64", "-cpu", "max", "-m", str(memory_mb), *processor()]
        words += ["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"]
        words += ["-kernel", str(made / "kernel"), "-initrd", str(made / "initrd.gz"), "-append", KERNEL_WORDS]
        for name, path, more in (("root", "/", ",readonly=on,multidevs=remap"), ("job", folder, "")):
            words += ["-virtfs", f"local,id={name},path={path},mount_tag={name},security_model=none{more}"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL) as machine:
            try:
                machine.wait(limit_s)
            except subprocess.TimeoutExpired as error:
                raise OSError(f"the machine was stopped after {limit_s:g} s; --seconds gives it more") from error
            finally:
                machine.kill()
        code = job / "code"
        return int(code.read_text()) if code.exists() else NO_MACHINE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="made where it is not there yet")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="none: the folder is made alone")
    parser.add_argument("--suite", default="bookworm", help="of Debian (default bookworm)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MB", help="of the machine (default 2048)")
    parser.add_argument("--seconds", type=float, default=600.0, help="by the clock, at most (default 600)")
    given = parser.parse_args()
    try:
        if platform.machine() != "x86_64" or sys.platform != "linux":
            raise OSError(f"it is written for Linux on x86-64; this is {sys.platform} on {platform.machine()}")
        if not (given.folder / "kernel").exists():
            make(given.folder, given.suite)
        if given.command:
            return run(given.folder, given.command, memory_mb=given.memory, limit_s=given.seconds)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_MACHINE
    print(f"{given.folder}: {sum(path.stat().st_size for path in given.folder.iterdir()) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
