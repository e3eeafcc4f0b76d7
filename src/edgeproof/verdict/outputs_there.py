"""What a candidate gives on devices of a class, where it was run there: its outputs, and the score of that arithmetic.

A real device's word stands above this machine's. An emulated one computes as its processor does, so that outputs which
miss the policy there are a doubt; that something does not run there may be the emulator's fault, and says nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from edgeproof.documents.device import DeviceClass, DeviceDocument, OutputsThere
from edgeproof.documents.evaluation import PointState, PolicyPoint
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.cases import ROUNDING, Case
from edgeproof.verdict.limits import SEVERITY
from edgeproof.verdict.task import drop_point, metric_of
from edgeproof.verdict.wording import and_list

__all__ = ["There", "differing_there", "outputs_on", "scored_there"]


class There(NamedTuple):
    """Outputs with the device that gave them."""

    device: DeviceDocument
    outputs: OutputsThere

    @property
    def name(self) -> str:
        """The device's, and whether it is a real one."""
        told = not self.device.emulated or self.device.device.startswith("emulated:")
        return self.device.device if told else f"{self.device.device} (emulated)"


def outputs_on(case: Case, device_class: DeviceClass) -> list[There]:
    """What devices of the class gave, emulated ones too."""
    return [
        There(device, measured.outputs)
        for device in case.evidence.devices
        if device.device_class == device_class
        for measured in device.measurements
        if measured.candidate == case.candidate and measured.outputs is not None
    ]


def differing_there(here: PolicyPoint, case: Case, device_class: DeviceClass) -> PolicyPoint:
    """The point of outputs on this machine, with what devices of the class say of it."""
    found = outputs_on(case, device_class)
    against = [there for there in found if there.outputs.status == "failed"]
    against += [there for there in found if there.outputs.status == "error" and not there.device.emulated]
    if against:
        first = max(against, key=lambda there: not there.device.emulated)
        state: PointState = "unsupported" if first.device.emulated and here.state == "met" else "not met"
        text = f"on {first.name}: {first.outputs.reason or 'its outputs miss the policy'}; here {here.text}"
        return msgspec.structs.replace(here, state=state, text=text)
    passed = [there for there in found if there.outputs.status == "passed"]
    if not passed or here.state != "met":
        return here
    same = all(there.outputs.same_bits for there in passed)
    words = "the same bits" if same else "within the policy"
    return msgspec.structs.replace(here, text=f"{here.text}; {words} on {and_list([there.name for there in passed])}")


def scored_there(here: PolicyPoint, case: Case, policy: PolicyValue, device_class: DeviceClass) -> PolicyPoint:
    """The point of the task score, or that of a device of the class where its own arithmetic loses more."""
    worst, metric = here, metric_of(case.evidence.validation)
    for there in outputs_on(case, device_class):
        task = there.outputs.task
        if task is None or there.outputs.same_bits:
            continue
        exact = case.exact and (there.outputs.differences is None or off(there) <= ROUNDING)
        point = drop_point("task", task, metric, policy, exact=exact)
        if SEVERITY[point.state] > SEVERITY[worst.state]:
            worst = msgspec.structs.replace(point, text=f"{point.text}, on {there.name}")
    return worst


def off(there: There) -> float:
    """Relative L2 to the eager model; 0 where the outputs are no real numbers."""
    found = there.outputs.differences
    return found.relative_l2 or 0.0 if found is not None else 0.0
