"""numpy's files of unknown origin: what numpy writes is read, anything else is refused before it costs memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeproof.errors import SamplesError
from edgeproof.measure.process import own_memory
from edgeproof.model.arrays import GROWTH, UNGROWN_BYTES, read_npy, read_npz


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(text: str, *, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    raw = text.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(raw).to_bytes(2 if version == (1, 0) else 4, "little") + raw + data


def archive(path: Path, *, compressed: bool = False, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as file:
        for name, raw in members.items():
            file.writestr(f"{name}.npy", raw)
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=arrays.arrays(
        st.sampled_from(["f4", "f8", ">i4", "u1", "?", "c8", "U3"]), arrays.array_shapes(min_dims=0, min_side=0)
    ),
    write=st.sampled_from([np.savez, np.savez_compressed]),
)
def test_what_numpy_writes_is_read_back(tmp_path: Path, array: Any, write: Any) -> None:
    for written in (array, np.asfortranarray(array)):
        write(tmp_path / "a.npz", x=written, y=np.arange(3))
        np.save(tmp_path / "a.npy", written)
        found = read_npz(tmp_path / "a.npz")
        assert sorted(found) == ["x", "y"]
        for read in (found["x"], read_npy(tmp_path / "a.npy")):
            assert (read.dtype, read.shape) == (written.dtype, written.shape)
            np.testing.assert_array_equal(read, written)


F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
HOSTILE = {
    "a shape of 10^12": header(F4 % "(1000000000000,)", data=b"1234"),
    "a shape that overflows": header(F4 % f"({2**62}, {2**62})", data=b"1234"),
    "a shape below zero": header(F4 % "(-1,)", data=b"1234"),
    "two shapes below zero": header(F4 % "(-1, -1)", data=b"1234"),
    "more numbers than it holds": header(F4 % "(2,)", data=b"1234"),
    "fewer numbers than it holds": header(F4 % "(1,)", data=b"12345678"),
    "brackets": header("[" * 9000),
    "closed brackets": header("[" * 4000 + "]" * 4000),
    "braces and a minus": header("{" + "-" * 9000),
    "an open string": header("'''" * 3),
    "a header that is cut": header(F4 % "(1,)")[:40],
    "a header that is long": header(" " * 60_000),
    "a header of four gigabytes": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "no numbers": header("{'descr': 'evil', 'fortran_order': False, 'shape': (1,), }", data=b"1234"),
    "a type of records": header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", data=b"1234"),
    "a type of megabytes": header("{'descr': '|V1000000000', 'fortran_order': False, 'shape': (1,), }"),
    "objects": npy(np.array([{}], dtype=object)),
    "version 3": header(F4 % "(1,)", version=(3, 0), data=b"1234"),
    "another magic": b"PK\x03\x04",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.npy").write_bytes(HOSTILE[name])
    with pytest.raises(SamplesError, match=r"cannot read .*x\.npy: .") as caught:
        read_npy(tmp_path / "x.npy")
    assert caught.value.exit_code == 2
    with pytest.raises(SamplesError, match=r"cannot read .*x\.npz: ."):
        read_npz(archive(tmp_path / "x.npz", x=HOSTILE[name]))


def test_an_archive_that_grows_too_much_is_refused_before_it_grows(tmp_path: Path) -> None:
    count = UNGROWN_BYTES // 4 + 1
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(header(F4 % f"({count},)"))
        zeros = bytes(1 << 24)
        for _ in range(count * 4 // len(zeros)):
            member.write(zeros)
        member.write(bytes(count * 4 % len(zeros)))
    assert path.stat().st_size * GROWTH < count * 4
    before = own_memory().peak_bytes or 0
    with pytest.raises(SamplesError, match="would grow to"):
        read_npz(path)
    assert (own_memory().peak_bytes or 0) - before < 100 << 20


def test_an_archive_that_lies_about_what_it_holds_is_refused(tmp_path: Path) -> None:
    raw = bytearray(archive(tmp_path / "x.npz", x=npy(np.zeros(3, np.float32)), compressed=True).read_bytes())
    for place in range(0, len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 0xFF
        (tmp_path / "y.npz").write_bytes(damaged)
        try:
            found = read_npz(tmp_path / "y.npz")
        except SamplesError:
            continue
        assert all(array.nbytes == 12 for array in found.values())


@pytest.mark.parametrize("members", [{"x": b"text"}, {"../x": npy(1), "a": b""}])
def test_what_is_no_array_is_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(SamplesError):
        read_npz(archive(tmp_path / "x.npz", **members))
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(SamplesError, match=r"'readme\.txt' is no array"):
        read_npz(tmp_path / "text.npz")


def test_too_many_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="at most 4096"):
        read_npz(archive(tmp_path / "x.npz", **{f"x{number}": b"" for number in range(4097)}))


def test_what_is_known_of_an_array_is_its_limit(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", v=np.zeros(4, np.float32))
    assert read_npz(tmp_path / "x.npz", expected={"v": 16, "u": 8})["v"].shape == (4,)
    for expected in ({"v": 12}, {"u": 16}):
        with pytest.raises(SamplesError, match="v has 16 bytes; expected"):
            read_npz(tmp_path / "x.npz", expected=expected)


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.npz"):
        with pytest.raises(SamplesError, match="cannot read"):
            read_npz(path)
