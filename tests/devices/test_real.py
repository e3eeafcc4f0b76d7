"""What gives an emulator away, and a board that says it is what it is not."""

from __future__ import annotations

import pytest

from edgeproof.devices.real import Facts, look_at

PI4 = "Raspberry Pi 4 Model B Rev 1.4"
CORES = "".join(f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32 cpuid\n" for number in range(4))


def test_a_board_whose_name_and_figures_fit_is_real() -> None:
    seen = look_at(Facts(PI4, CORES, memory_bytes=4 << 30, emulator="0\n/usr/bin/sleep"))
    assert (seen.emulated, seen.signs, seen.contradictions) == ("no", (), ())


@pytest.mark.parametrize(
    ("facts", "sign"),
    [
        (Facts(PI4, CORES, emulator="5\n/usr/bin/sleep"), "QEMU in their memory"),
        (Facts(PI4, CORES, emulator="0\n/usr/bin/qemu-aarch64-static"), "run by qemu-aarch64-static"),
        (Facts("linux,dummy-virt", CORES), "calls itself linux,dummy-virt"),
        (Facts("QEMU Standard PC (Q35 + ICH9, 2009)"), "calls itself QEMU"),
        (Facts(PI4, CORES.replace("108.00", "125.00")), "BogoMIPS 125"),
        (Facts("", "model name\t: QEMU TCG CPU version 2.5+"), "processor calls itself QEMU's"),
    ],
)
def test_signs_of_an_emulator(facts: Facts, sign: str) -> None:
    seen = look_at(facts)
    assert seen.emulated == "yes"
    assert sign in seen.words


@pytest.mark.parametrize(
    ("facts", "contradiction"),
    [
        (Facts(PI4, CORES, memory_bytes=25 << 30), "Raspberry Pi 4 has 8 GiB at most, and it shows 25.0"),
        (Facts(PI4, CORES.replace("crc32", "crc32 aes pmull")), "no instructions for AES"),
        (Facts(PI4, CORES * 4), "has 4 cores, and it shows 16"),
    ],
)
def test_a_board_that_contradicts_itself_is_not_believed(facts: Facts, contradiction: str) -> None:
    seen = look_at(facts)
    assert seen.emulated == "unknown"
    assert contradiction in seen.words


def test_one_that_does_not_say_what_it_is_is_unknown() -> None:
    assert look_at(Facts("", CORES)).emulated == "unknown"
    assert look_at(Facts("NVIDIA Jetson Orin Nano", CORES)).emulated == "no"
