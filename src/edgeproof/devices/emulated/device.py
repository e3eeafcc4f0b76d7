"""An emulated board as a device: the way over SSH is that of a real one, and so is all that happens behind it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from edgeproof.devices.emulated.boards import find_board
from edgeproof.devices.emulated.lodging import Lodging, lacking
from edgeproof.devices.emulated.root import USER, ready
from edgeproof.devices.emulation import foreign_root
from edgeproof.devices.ssh.connection import Connection
from edgeproof.devices.ssh.device import SshDevice
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import DeviceError, MissingDependency
from edgeproof.files import user_cache

__all__ = ["DEVICE", "EmulatedDevice"]


class EmulatedDevice(SshDevice):
    """A Raspberry Pi that is not there.

    Args:
        address: what stands behind ``emulated:``.

    Attributes:
        shows: the folder with what it says of itself, once it was asked anything; its next process sees what is changed
            there.

    Raises:
        UsageError: there is no such board.
    """

    def __init__(self, address: str = "") -> None:
        self._board = find_board(address)
        super().__init__(f"{USER}@{self._board.name}?emulated=1")
        self.shows: Path | None = None

    @property
    def name(self) -> str:
        return f"emulated:{self._board.name}"

    @property
    def device_class(self) -> DeviceClass:
        return "raspberry-pi"

    @property
    def emulated(self) -> bool:
        return True

    def available(self) -> DeviceError | None:
        missing = lacking(self._board)
        if missing is not None:
            return DeviceError(f"{self.name}: {missing.message}", hint=missing.hint)
        architecture = self._board.architecture
        if not ready(architecture):
            where = foreign_root(architecture)
            return DeviceError(
                f"{self.name}: there is no system for it in {where}",
                hint=f"edgeproof devices emulate {self._board.name}",
            )
        return super().available()

    @cached_property
    def _connection(self) -> Connection:
        try:
            lodging = Lodging(self._board, user_cache() / "boards" / self._board.name)
        except MissingDependency as error:
            raise DeviceError(error.message, hint=error.hint) from error
        self._here.callback(lodging.close)
        self.shows = lodging.shows
        connection = Connection(self.address, lodging.server.configuration)
        self._here.callback(connection.close)
        return connection


DEVICE = EmulatedDevice
