#!/usr/bin/env python3
"""``xcrun`` of a Mac with one iPhone, as far as ``devices.iphone`` asks it. It builds nothing and runs no model: a
launch writes a report in the app's form, whose outputs are zeros. What Xcode, signing and a phone refuse is left out.

Its phone is the folder ``XCRUN_PHONE``: the app's resources and documents.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import time
from pathlib import Path

PHONE = Path(os.environ["XCRUN_PHONE"])
LISTED = {
    "identifier": "00008120-000A",
    "connectionProperties": {"pairingState": os.environ.get("XCRUN_PAIRING", "paired")},
    "deviceProperties": {"name": "Phone", "osVersionNumber": "17.4", "developerModeStatus": "enabled"},
    "hardwareProperties": {"platform": "iOS", "productType": "iPhone15,2", "marketingName": "iPhone 14 Pro"},
}
WATCH = {"identifier": "W", "hardwareProperties": {"platform": "watchOS"}}


def after(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def build(words: list[str]) -> None:
    assert Path(after(words, "-project"), "project.pbxproj").is_file()
    assert words[-1] == "build"
    assert "DEVELOPMENT_TEAM=TEAM" in words
    app = Path("build/Build/Products/Release-iphoneos/EdgeProofBench.app")
    shutil.copytree("Resources", app, dirs_exist_ok=True)


def launch(words: list[str]) -> None:
    told = json.loads(after(words, "--environment-variables"))
    job, asked = json.loads((PHONE / "app/job.json").read_text()), json.loads(told["EDGEPROOF_JOB"])
    if (PHONE / "broken").exists():
        return
    (one,) = [found for found in job["candidates"] if found["candidate"] == told["EDGEPROOF_CANDIDATES"]]
    size = sum(4 * found["shape"][-1] for found in one["inputs"])
    count = (PHONE / "app" / one["samples"]).stat().st_size // size
    outputs = [
        {
            "name": found["name"],
            "shape": found["shape"],
            "data": base64.b64encode(bytes(4 * found["shape"][-1] * count)).decode(),
        }
        for found in one["outputs"]
    ]
    now = time.time_ns()
    report = {
        "schema": "edgeproof.runner/1",
        "artifact": one["candidate"],
        "samples": count,
        "warmup": asked["warmup"],
        "steady_us": [100.0 + call for call in range(asked["measure"])],
        "load_ms": 5.0,
    }
    measured = {
        "candidate": one["candidate"],
        "report": report,
        "pace_s": asked["pace"] or None,
        "paced_us": [900.0] * asked["paced"],
        "outputs": outputs,
    }
    phone = {"model": "iPhone15,2", "system": "iOS 17.4", "cores": 6, "memory_bytes": 6 << 30, "simulator": False}
    document = {
        "schema": "edgeproof.app/1",
        "name": job["name"],
        "phone": phone,
        "created_unix_ns": now,
        "candidates": [measured],
    }
    (PHONE / "documents").mkdir(exist_ok=True)
    (PHONE / f"documents/edgeproof-{now}.json").write_text(json.dumps(document))


def main(words: list[str]) -> None:
    with (PHONE / "asked").open("a") as asked:
        asked.write(" ".join(words[:4]) + "\n")
    if words[0] == "xcodebuild":
        if (PHONE / "unsigned").exists():
            sys.exit("error: No profiles for 'dev.edgeproof.bench' were found")
        build(words)
    elif words[1:3] == ["list", "devices"]:
        Path(after(words, "--json-output")).write_text(json.dumps({"result": {"devices": [WATCH, LISTED]}}))
    elif words[2] == "install":
        shutil.copytree(words[-1], PHONE / "app", dirs_exist_ok=True)
    elif words[2] == "process":
        launch(words)
    elif words[2] == "copy":
        shutil.copytree(PHONE / "documents", after(words, "--destination"))
    elif words[2] == "uninstall":
        shutil.rmtree(PHONE / "app")


main(sys.argv[1:])
