"""A whole emulated machine as a board: it starts anew, and its cable comes out, as no process on this one can."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.phases.conftest import new_run
from tests.spike.installed import need

from edgeproof.devices import patience
from edgeproof.devices.ssh.device import SshDevice
from edgeproof.documents.device import DeviceDocument
from edgeproof.errors import DeviceError
from edgeproof.phases.convert import convert
from edgeproof.phases.device import measure_devices
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.rundir import RunDir

__all__ = ["new_run"]

VARIABLE = "EDGEPROOF_VIRT"
"""The folder that ``scripts/virt_board.py`` has made."""
START_S = 240.0
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"scripts/virt_board.py makes a board: {VARIABLE}=DIR"),
]


@dataclass
class Machine:
    """A machine that QEMU runs, with its monitor."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    told: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"ssh:pi@127.0.0.1:{self.port}"

    def order(self, words: str) -> None:
        """Tell the monitor: ``system_reset``, ``set_link n off``."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "monitor"))
            monitor.recv(4096)
            monitor.sendall(f"{words}\n".encode())
            time.sleep(0.3)

    def answers(self) -> bool:
        """Whether its SSH server speaks."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
                link.settimeout(5)
                return link.recv(4) == b"SSH-"
        except OSError:
            return False


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    need("qemu-system-aarch64", "ssh")
    made = Path(os.environ[VARIABLE])
    found = Machine(tmp_path / "machine")
    found.folder.mkdir()
    for name in ("disk.img", "key"):
        shutil.copy(made / name, found.folder / name)
    (found.folder / "key").chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found.port = int(probe.getsockname()[1])
    configuration = found.folder / "ssh_config"
    configuration.write_text(
        f"Host *\n  IdentityFile {found.folder}/key\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile {found.folder}/known\n"
    )
    programs = found.folder / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {configuration} "$@"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    words = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "512", "-display", "none"]
    words += ["-kernel", str(made / "kernel"), "-initrd", str(made / "initrd.gz"), "-append", "console=ttyAMA0 quiet"]
    words += ["-drive", f"file={found.folder}/disk.img,format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d"]
    words += ["-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{found.port}-:22"]
    words += ["-device", "virtio-net-device,netdev=n,id=nic"]
    words += ["-serial", f"file:{found.folder}/console", "-monitor", f"unix:{found.folder}/monitor,server,nowait"]
    with subprocess.Popen(words) as process:
        found.process = process
        try:
            until(found.answers)
            yield found
        finally:
            process.kill()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end, "the machine does not answer"
        time.sleep(1.0)


@pytest.fixture
def run(new_run: Callable[..., RunDir]) -> RunDir:
    need("gcc", "aarch64-linux-gnu-gcc")
    made = new_run("sdk-native", timesteps=3)
    for phase in (prepare, convert, validate):
        phase(made)
    return made


def native(document: DeviceDocument) -> tuple[str, bool | None]:
    (measured,) = document.measurements
    assert measured.outputs is not None
    assert measured.steady is None, "an emulated machine has no times, whatever it calls itself"
    return measured.outputs.status, measured.outputs.same_bits


def test_it_gives_itself_away_and_runs_our_engine_without_any_python(machine: Machine, run: RunDir) -> None:
    device = SshDevice(machine.address.removeprefix("ssh:") + "?emulated=0&class=raspberry-pi")
    assert device.available() is None
    board = device.board()
    assert board.emulated == "yes", "its user's word does not outweigh its signs"
    assert any("BogoMIPS 125" in sign for sign in board.signs)
    assert device.place().python is None
    device.close()
    (document,) = measure_devices(run, devices=[machine.address])
    assert native(document) == ("passed", True)


def test_one_that_starts_anew_is_waited_for(machine: Machine, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAITS_S", (5.0, 20.0, 60.0))
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if "aarch64" in line and not any("trying again" in told for told in lines):
            machine.order("system_reset")  # after the probe, and before anything is brought

    (document,) = measure_devices(run, devices=[machine.address], report=report)
    assert native(document) == ("passed", True)


def test_a_cable_that_comes_out_ends_in_words_and_goes_on(
    machine: Machine, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WAITS_S", (1.0,))

    def report(line: str) -> None:
        if "aarch64" in line:
            machine.order("set_link nic off")

    began = time.monotonic()
    with pytest.raises(DeviceError) as error:
        measure_devices(run, devices=[machine.address], report=report)
    assert time.monotonic() - began < 180, "a silent link is given up"
    assert "edgeproof run --resume" in (error.value.hint or "")
    machine.order("set_link nic on")
    until(machine.answers)
    (document,) = measure_devices(run, devices=[machine.address], again=False)
    assert native(document) == ("passed", True)


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.4])
def test_a_reset_in_the_middle_of_a_process_costs_that_process(
    machine: Machine, run: RunDir, monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    """Before its inputs are brought, amid that, and amid the process."""
    monkeypatch.setattr(patience, "WAITS_S", (5.0, 20.0, 60.0))
    lines: list[str] = []
    real = SshDevice.run

    def slowly(device: SshDevice, *given: object) -> object:
        if not any("trying again" in line for line in lines):
            timer = threading.Timer(after_s, machine.order, ["system_reset"])
            timer.start()
        return real(device, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(SshDevice, "run", slowly)
    (document,) = measure_devices(run, devices=[machine.address], report=lines.append)
    assert native(document) == ("passed", True)
