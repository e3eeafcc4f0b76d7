"""Who may ask a server: addresses, tokens, and files that hold one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.errors import UsageError
from edgeproof.serve.access import check_address, check_token, matches, read_token

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("bound", ["127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_alone_needs_nothing(bound: str) -> None:
    check_address(bound, token=None, asks_for_certificates=False)


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.2", "fe80::1%eth0", "8.8.8.8"])
def test_another_address_needs_a_token_or_certificates(bound: str) -> None:
    with pytest.raises(UsageError, match="nothing protects it") as caught:
        check_address(bound, token=None, asks_for_certificates=False)
    assert "--client-ca" in (caught.value.hint or "")
    check_address(bound, token=TOKEN, asks_for_certificates=False)
    check_address(bound, token=None, asks_for_certificates=True)


@given(given_value=st.none() | st.binary(max_size=40))
def test_only_the_token_itself_matches(given_value: bytes | None) -> None:
    assert not matches(given_value, TOKEN)


@pytest.mark.parametrize("value", [b"Bearer 0123456789abcdef", b"bearer  0123456789abcdef "])
def test_the_scheme_s_case_and_white_space_do_not_matter(value: bytes) -> None:
    assert matches(value, TOKEN)


@pytest.mark.parametrize(
    "token", ["", "short", "fifteen-letters", "sixteen letters!", "sixteen-l\u00e9tters!", "a\n" * 16]
)
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(UsageError, match="at least 16 visible ASCII") as caught:
        check_token(token)
    assert not token or token not in str(caught.value)


def test_a_token_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN}\n")
    assert read_token(file) == TOKEN
    file.write_bytes(b"\xff" * 20)
    for wrong in (file, tmp_path / "gone", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_token(wrong)
