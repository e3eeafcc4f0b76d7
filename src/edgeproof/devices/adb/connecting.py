"""From an address to a device that answers: the one that is named, the only one there is, or one in the network."""

from __future__ import annotations

from edgeproof.devices.adb.client import Adb
from edgeproof.devices.adb.listing import attached, find_adb
from edgeproof.errors import DeviceError, ProcessError

__all__ = ["connect"]


def connect(address: str) -> Adb:
    """The client of a device; one at ``host:port`` is connected to, and one that is offline is reached again.

    Args:
        address: its serial, or ``host:port``; empty: the only one there is.

    Raises:
        DeviceError: there is no client, no such device, or it cannot be used.
    """
    program = find_adb()
    if program is None:
        raise DeviceError("there is no adb on this machine", hint="apt-get install adb, or Android's platform-tools")
    try:
        found = attached(program)
        ready = [phone for phone in found if phone.ready]
        if not address and len(ready) != 1:
            names = ", ".join(f"adb:{phone.serial}" for phone in ready)
            waits = "; ".join(f"{phone.serial} is {phone.state}: {phone.remedy}" for phone in found)
            raise DeviceError(
                f"adb has {len(ready)} devices; expected one", hint=names or waits or "plug one in, or adb connect"
            )
        serial = address or ready[0].serial
        client = Adb(program, serial)
        phone = next((phone for phone in found if phone.serial == serial), None)
        if phone is None and client.network:
            said = client.connect()
            phone = next((phone for phone in attached(program) if phone.serial == serial), None)
            if phone is None:
                raise DeviceError(f"{serial} cannot be connected: {said}", hint="is adb over Wi-Fi on there?")
        if phone is None:
            known = ", ".join(found.serial for found in found) or "none"
            raise DeviceError(f"adb knows no {serial}", hint=f"it knows: {known}")
        if phone.state == "offline" and client.back():
            phone = next((phone for phone in attached(program) if phone.serial == serial), phone)
    except ProcessError as error:
        raise DeviceError(error.message, hint=error.hint) from error
    if not phone.ready:
        raise DeviceError(f"{serial} is {phone.state}", hint=phone.remedy)
    return client
