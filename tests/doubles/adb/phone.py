"""What a Pixel 7 on Android 14 says of itself, shortened, as a folder that the daemon's double shows."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PROPERTIES", "write_phone"]

PROPERTIES = {
    "ro.build.characteristics": "nosdcard",
    "ro.build.fingerprint": "google/panther/panther:14/UQ1A.240205.002/11224170:user/release-keys",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.hardware": "panther",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.product.device": "panther",
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 7",
    "ro.soc.manufacturer": "Google",
    "ro.soc.model": "GS201",
}
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
\tkilled: false
ThermalStatusListeners:
\tcallbacks: 4
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=31.6, mType=3, mName=VIRTUAL-SKIN, mStatus=0}}
HAL Ready: true
HAL connection:
\tThermalHAL AIDL 1 connected: yes
Current temperatures from HAL:
\tTemperature{{mValue=47.0, mType=0, mName=BIG, mStatus=0}}
\tTemperature{{mValue=41.5, mType=0, mName=LITTLE, mStatus=0}}
\tTemperature{{mValue=31.7, mType=3, mName=VIRTUAL-SKIN, mStatus=0}}
\tTemperature{{mValue=28.4, mType=2, mName=battery, mStatus=0}}
Current cooling devices from HAL:
\tCoolingDevice{{mValue={cooling}, mType=2, mName=thermal-cpufreq-2}}
\tCoolingDevice{{mValue=0, mType=1, mName=fcc}}
Temperature static thresholds from HAL:
\tTemperatureThreshold{{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0]}}
"""
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 3528000
  status: 2
  health: 2
  present: true
  level: 81
  scale: 100
  voltage: 4218
  temperature: 284
  technology: Li-ion
"""
CORES = (
    [("schedutil", 1803000, 1197000)] * 4 + [("schedutil", 2348000, 400000)] * 2 + [("schedutil", 2850000, 500000)] * 2
)


def write_phone(folder: Path, *, status: int = 0, cooling: int = 0, **properties: str) -> Path:
    """The folder; properties are named with ``_`` for their dots."""
    told = PROPERTIES | {name.replace("_", "."): value for name, value in properties.items()}
    commands = folder / "bin"
    commands.mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    texts = {
        "getprop": "\n".join(f"[{name}]: [{value}]" for name, value in told.items()) + "\n",
        "thermalservice": THERMAL.format(status=status, cooling=cooling),
        "battery": BATTERY,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    _script(commands / "getprop", f"cat {folder}/getprop")
    _script(commands / "dumpsys", f'cat {folder}/"$1"')
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc/meminfo").write_text(
        "MemTotal:        7861404 kB\nMemFree:  300000 kB\nMemAvailable:    3981234 kB\n"
    )
    (folder / "proc/cpuinfo").write_text("".join(f"processor\t: {core}\n" for core in range(len(CORES))))
    for core, (governor, most, now) in enumerate(CORES):
        place = folder / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        place.mkdir(parents=True, exist_ok=True)
        for name, value in (("scaling_governor", governor), ("cpuinfo_max_freq", most), ("scaling_cur_freq", now)):
            (place / name).write_text(f"{value}\n")
    return folder


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
