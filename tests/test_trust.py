"""The mark of what this user made, the folder that an artifact may not leave, and the sha256 it is held against."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.errors import ArtifactError
from edgeproof.trust import contained, fingerprint, hold, is_ours, lies_in, mark_of

CONTENT = {"file": "net.so", "sha256": "ab", "bytes": 3, "options": {"b": 1.5, "a": None}, "notes": ["é"]}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def key(state: Path) -> Path:
    assert mark_of({}) is not None
    return state / "edgeproof" / "key"


def marked(content: dict[str, Any] = CONTENT, **more: Any) -> dict[str, Any]:
    return {**content, "mark": mark_of(content, **more)}


def test_what_this_user_marked_is_ours_however_it_is_written_down(state: Path) -> None:
    told = marked()
    assert is_ours(told)
    assert is_ours(json.loads(json.dumps(dict(reversed(told.items())), indent=3, ensure_ascii=False)))


@pytest.mark.parametrize("field", CONTENT)
def test_a_changed_field_is_not_ours(state: Path, field: str) -> None:
    told = marked()
    assert not is_ours({**told, field: "other"})
    assert not is_ours({name: value for name, value in told.items() if name != field})
    assert not is_ours({**told, "new": None})


@pytest.mark.parametrize("found", [None, "", "hmac-sha256:", "hmac-sha256:" + "0" * 64, "é", 3, ["x"]])
def test_no_mark_or_another_is_not_ours(state: Path, found: Any) -> None:
    assert not is_ours({**marked(), "mark": found})
    assert not is_ours(CONTENT)


def test_the_mark_is_the_standard_s(state: Path, key: Path) -> None:
    canonical = json.dumps(CONTENT, sort_keys=True, separators=(",", ":")).encode()
    assert mark_of(CONTENT) == "hmac-sha256:" + hmac.new(key.read_bytes(), canonical, "sha256").hexdigest()


def test_a_large_file_has_the_same_digest(tmp_path: Path) -> None:
    for size in (0, 1 << 20, (1 << 20) + 1):
        (tmp_path / "file").write_bytes(b"x" * size)
        assert fingerprint(tmp_path / "file") == (hashlib.sha256(b"x" * size).hexdigest(), size)


def test_fields_beside_the_mark_may_change(state: Path) -> None:
    told = marked(besides=("notes",))
    assert is_ours({**told, "notes": ["later"]}, besides=("notes",))
    assert not is_ours({**told, "notes": ["later"]})


def test_another_user_s_mark_is_not_ours(state: Path, key: Path) -> None:
    told = marked()
    key.unlink()
    assert not is_ours(told), "no key at all"
    assert not key.exists(), "looking makes no key"
    assert not is_ours({**told, "other": marked()})
    assert is_ours(marked())


def test_the_key_is_the_user_s_alone(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert len(key.read_bytes()) == 32
    assert list(key.parent.iterdir()) == [key]


def test_a_key_that_others_can_read_is_none(key: Path) -> None:
    told = marked()
    key.chmod(0o644)
    assert not is_ours(told)
    assert mark_of(CONTENT) is None


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_signs_nothing(key: Path, content: bytes) -> None:
    key.write_bytes(content)
    assert mark_of(CONTENT) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_where_no_key_can_be_kept_nothing_is_signed(state: Path) -> None:
    state.mkdir(mode=0o500)
    assert mark_of(CONTENT) is None


def test_where_the_folder_is_a_file_nothing_is_signed(state: Path) -> None:
    state.write_text("")
    assert mark_of(CONTENT) is None
    assert not is_ours({**CONTENT, "mark": None})


def test_the_default_is_the_user_s_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mark_of(CONTENT)
    assert (tmp_path / ".local" / "state" / "edgeproof" / "key").is_file()
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/no/place")
    assert is_ours(marked())
    assert not Path("relative").exists()


def test_of_many_that_make_a_key_at_once_all_have_the_same(state: Path) -> None:
    code = "from edgeproof.trust import mark_of; print(mark_of({'a': 1}))"

    def run(_: int) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(run, range(6))) == {mark_of({"a": 1})}


def test_it_imports_nothing_that_a_start_has_no_time_for() -> None:
    code = (
        "import sys, edgeproof.trust; print([m for m in ('msgspec', 'numpy', 'hashlib', 'typing') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=_path(), check=True)
    assert done.stdout.strip() == "[]"


def _path() -> dict[str, str]:
    import edgeproof

    return {**os.environ, "PYTHONPATH": str(Path(edgeproof.__file__).parents[1])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    (folder / "inside").mkdir(parents=True)
    (folder / "net.bin").write_bytes(b"net")
    (folder / "inside" / "deep.bin").write_bytes(b"deep")
    (tmp_path / "evil.bin").write_bytes(b"evil")
    (folder / "link.bin").symlink_to("net.bin")
    (folder / "out.bin").symlink_to(tmp_path / "evil.bin")
    (folder / "up").symlink_to(tmp_path)
    return folder


@pytest.mark.parametrize("file", ["net.bin", "inside/deep.bin", "link.bin", "inside", "gone.bin", "inside/../net.bin"])
def test_a_file_of_the_folder_is_given(folder: Path, file: str) -> None:
    assert contained(folder, file) == folder / file


@pytest.mark.parametrize(
    "file",
    [
        "",
        ".",
        "..",
        "../evil.bin",
        "/etc/passwd",
        "out.bin",
        "up/evil.bin",
        "inside/../../evil.bin",
        "a\0b",
    ],
)
def test_a_file_elsewhere_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(ArtifactError, match="outside"):
        contained(folder, file)


def test_a_folder_that_is_reached_by_a_link_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(folder)
    assert contained(tmp_path / "shortcut", "net.bin").read_bytes() == b"net"


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "~", "/"]), max_size=6).map("/".join))
def test_what_lies_in_a_folder_never_climbs_out(file: str) -> None:
    home = Path("/nowhere/home")
    inside = lies_in(home, file)
    place = os.path.normpath(home / file)
    assert inside == place.startswith("/nowhere/home/")


def test_a_file_is_held_against_its_sha256(folder: Path) -> None:
    digest = hashlib.sha256(b"net").hexdigest()
    deep = hashlib.sha256(b"deep").hexdigest()
    assert hold(folder, "net.bin", digest, {"inside/deep.bin": deep}) == folder / "net.bin"
    (folder / "inside" / "deep.bin").write_bytes(b"reef")
    with pytest.raises(ArtifactError, match=r"deep\.bin is not the file that artifact\.json describes"):
        hold(folder, "net.bin", digest, {"inside/deep.bin": deep})
    (folder / "net.bin").write_bytes(b"ne")
    with pytest.raises(ArtifactError, match=r"net\.bin is not the file that artifact\.json describes"):
        hold(folder, "net.bin", digest, {})
    for name, said in (("gone.bin", "is not there"), ("x" * 9000, "cannot be read: File name too long")):
        with pytest.raises(ArtifactError, match=said):
            hold(folder, name, digest, {})


def test_a_folder_s_parts_lie_in_it(folder: Path) -> None:
    (folder / "inside" / "more.bin").symlink_to("deep.bin")
    assert fingerprint(folder / "inside")[1] == 8
    (folder / "inside" / "out.bin").symlink_to("../../evil.bin")
    with pytest.raises(ArtifactError, match="outside"):
        fingerprint(folder / "inside")
