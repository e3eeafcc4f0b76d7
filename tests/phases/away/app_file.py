"""A file as the app for an iPhone writes it: a double, for no app ever ran here. Its times are made up."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def told(folder: Path, outputs: dict[str, Any], number: int = 1, **phone: Any) -> Path:
    """A file of the app's, with these outputs of ``sdk-native``."""
    count = len(next(iter(outputs.values())))
    report = {
        "schema": "edgeproof.runner/1",
        "artifact": "sdk-native",
        "samples": count,
        "load_ms": 1.5,
        "first_inference_us": 90.0,
        "exec_to_first_ms": 300.0 + number,
        "warmup": 50,
        "steady_us": [10.0 * number + call / 100 for call in range(100)],
        "peak_memory_bytes": 20 << 20,
        "throttled": False,
        "conditions": [{"thermal_state": "nominal", "low_power": False}] * 2,
    }
    measured = {
        "candidate": "sdk-native",
        "report": report,
        "outputs": [
            {"name": name, "shape": values.shape[1:], "data": base64.b64encode(values.tobytes()).decode()}
            for name, values in outputs.items()
        ],
    }
    document = {
        "schema": "edgeproof.app/1",
        "name": "small",
        "phone": {"model": "iPhone15,2", "system": "iOS 17.4", "cores": 6, "memory_bytes": 6 << 30, "simulator": False}
        | phone,
        "created_unix_ns": number,
        "candidates": [measured],
    }
    path = folder / f"edgeproof-{number}.json"
    path.write_text(json.dumps(document))
    return path
