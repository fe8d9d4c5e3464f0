"""Keys: which are taken, from where, and who has one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from fillmask.errors import InputError
from fillmask.server.http.auth import ApiKeys, read_keys


@pytest.mark.parametrize(
    "key",
    ["", " ", "a b", " secret", "secret ", "secret\n", "a\tb", "a\u00a0b", "a\u2003b", "a\x00", "a\x1b", "\u200b"],
)
def test_a_key_that_is_empty_or_has_white_space_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--api-key") as refusal:
        read_keys([key], environment={})
    assert "secret" not in str(refusal.value), "a message shows a key"
    with pytest.raises(InputError, match="FILLMASK_API_KEY"):
        read_keys([], environment={"FILLMASK_API_KEY": key})
    if key.splitlines() == [key]:
        file = tmp_path / "keys"
        file.write_text(f"good\n{key}\n", "utf-8")
        with pytest.raises(InputError, match="line 2"):
            read_keys([], str(file), environment={})


def test_several_keys_from_all_places(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes("\ufeffone\r\n\r\ntwo🔑\none\n".encode())
    assert read_keys([], str(file), {"FILLMASK_API_KEY": "three"}) == ("three", "one", "two🔑")
    assert read_keys(["four"], None, {"FILLMASK_API_KEY": "three", "FILLMASK_API_KEY_FILE": str(file)}) == ("four", "one", "two🔑")  # fmt: skip
    assert read_keys([], None, {}) == ()


def test_a_file_that_gives_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "latin").write_bytes(b"cl\xe9\n")
    for name, message in (
        ("empty", "holds no key"),
        ("latin", "not UTF-8"),
        ("missing", "cannot be read"),
        (".", "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            read_keys([], str(tmp_path / name), {})


def test_any_of_the_keys_opens() -> None:
    keys = ApiKeys(["one", "two🔑"])

    def basic(password: str) -> bytes:
        return b"Basic " + base64.b64encode(f"anyone:{password}".encode())

    for right in (b"Bearer one", "bearer  two🔑".encode(), basic("one"), basic("two🔑")):
        assert keys.accept(right)
    for wrong in (None, b"", b"Bearer", b"Bearer ", b"one", b"Bearer on", b"Bearer oneone", b"Basic one", basic(""), basic("o"), b"Digest one"):  # fmt: skip
        assert not keys.accept(wrong)
