"""A device that is lost for a moment: a link that breaks, a board that starts anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from edgeproof.devices.base import Report
from edgeproof.errors import DeviceLost

__all__ = ["WAITS_S", "patiently"]

Given = TypeVar("Given")

WAITS_S = (2.0, 10.0, 30.0)
"""Before a lost device is tried again."""


def patiently(work: Callable[[], Given], report: Report) -> Given:
    """Do work on a device; where it is lost meanwhile, wait for it to come back, and do the work anew.

    Args:
        work: that may be done twice, such as a process that starts afresh.
        report: takes a line of progress.

    Raises:
        DeviceLost: it did not come back. DeviceError: something else, which waiting does not mend.
    """
    for wait_s in WAITS_S:
        try:
            return work()
        except DeviceLost as error:
            report(f"warning: {error}; trying again in {wait_s:g} s")
            time.sleep(wait_s)
    return work()
