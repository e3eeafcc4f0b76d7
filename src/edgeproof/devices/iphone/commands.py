"""The commands that build the app on a Mac, run it on a phone, and bring back what it told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from edgeproof.devices.iphone.pbxproj import BUNDLE, NAME

__all__ = ["APP", "build", "copy", "install", "launch", "listing", "readme_text", "remove", "test", "trace"]

APP = f"build/Build/Products/Release-iphoneos/{NAME}.app"
"""Where ``build`` leaves the app, in the project's folder."""
PROJECT = ("-project", f"{NAME}.xcodeproj", "-scheme", NAME, "-configuration", "Release")


def build(team: str) -> list[str]:
    """Build and sign the app for phones of a developer team."""
    words = ["xcrun", "xcodebuild", *PROJECT, "-destination", "generic/platform=iOS", "-derivedDataPath", "build"]
    return [*words, "-allowProvisioningUpdates", f"DEVELOPMENT_TEAM={team}", "build"]


def test(device: str, team: str) -> list[str]:
    """Build, and measure as a test: the report is an attachment of ``results.xcresult``."""
    words = ["xcrun", "xcodebuild", *PROJECT, "-destination", f"id={device}", "-derivedDataPath", "build"]
    words += ["-resultBundlePath", "results.xcresult", "-allowProvisioningUpdates", f"DEVELOPMENT_TEAM={team}"]
    return [*words, "test"]


def install(device: str) -> list[str]:
    """Bring the app to a phone."""
    return ["xcrun", "devicectl", "device", "install", "app", "--device", device, APP]


def listing(to: str) -> list[str]:
    """Write which devices this Mac knows into a JSON file."""
    return ["xcrun", "devicectl", "list", "devices", "--json-output", to]


def remove(device: str) -> list[str]:
    """Take the app off a phone, with all that it wrote."""
    return ["xcrun", "devicectl", "device", "uninstall", "app", "--device", device, BUNDLE]


def launch(device: str, candidates: str, *, units: str = "all", effort: str | None = None) -> list[str]:
    """Measure in a fresh process, and wait for its end.

    Args:
        device: identifier of the phone.
        candidates: names, separated by commas; ``all``: every one.
        units: ``cpu`` keeps Core ML to the processor.
        effort: JSON of fields of ``AppEffort`` that differ from the project's; None: as that says.
    """
    variables = {"EDGEPROOF_CANDIDATES": candidates, "EDGEPROOF_UNITS": units}
    told = json.dumps(variables if effort is None else {**variables, "EDGEPROOF_JOB": effort})
    words = ["xcrun", "devicectl", "device", "process", "launch", "--device", device, "--console"]
    return [*words, "--terminate-existing", "--environment-variables", told, BUNDLE]


def copy(device: str, to: str) -> list[str]:
    """Bring all reports of the app into a folder."""
    words = ["xcrun", "devicectl", "device", "copy", "from", "--device", device]
    words += ["--domain-type", "appDataContainer", "--domain-identifier", BUNDLE]
    return [*words, "--source", "Documents", "--destination", to]


def trace(device: str, template: str, to: str) -> list[str]:
    """Record the app as it measures all candidates, with a template of Instruments."""
    words = ["xcrun", "xctrace", "record", "--device", device, "--template", template, "--output", to]
    words += ["--env", "EDGEPROOF_CANDIDATES=all", "--time-limit", "10m"]
    return [*words, "--launch", "--", BUNDLE]


def readme_text(name: str, candidates: Sequence[str]) -> str:
    """What stands beside the project."""
    device, team = "DEVICE_ID", "TEAM_ID"

    def line(words: Sequence[str]) -> str:
        return shlex.join(words)

    fresh = "\n".join(line(launch(device, candidate)) for candidate in candidates)
    return f"""# {name} on an iPhone

An app with every artifact of the run that ships to an iPhone: {", ".join(candidates)}.
It loads each, runs held-out samples, times calls back to back and at a pace, and tells memory, heat and battery. On a
Mac with Xcode 15 or newer, and a phone in developer mode that is paired with it; `{device}` is the phone's, `{team}`
your developer team's.

```sh
xcrun devicectl list devices
{line(build(team))}
{line(install(device))}
```

Each candidate in a process of its own, so that its start is its own; repeat for more cold starts:

```sh
{fresh}
{line(copy(device, "results"))}
edgeproof import RUN results/*.json
```

Or all in one process, as a test:

```sh
{line(test(device, team))}
xcrun xcresulttool export attachments --path results.xcresult --output-path results
```

Which processors ran what, and energy as the system estimates it:

```sh
{line(trace(device, "Core ML", "coreml.trace"))}
{line(trace(device, "Power Profiler", "power.trace"))}
```

- Charge to between 50 % and 80 %, unplug, low power mode off, fixed brightness, connected over Wi-Fi.
- `EDGEPROOF_UNITS=cpu` keeps Core ML to the processor.
- The report is `edgeproof-….json` in the app's documents, which Files and Finder show too.
- From `serious` on the phone is held back: wait until its thermal state is `nominal`, and repeat.
"""
