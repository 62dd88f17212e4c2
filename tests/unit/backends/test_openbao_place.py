"""What is refused of an OpenBao's address and names before anything is dialled."""

from pathlib import Path

import pytest

from apikeychain.backends.openbao import AppRole, OpenBaoKeyService, Token
from apikeychain.backends.openbao.place import parse_place
from apikeychain.errors import SettingsError
from apikeychain.secret import Secret

LOGIN = Token(Secret("s.a-made-up-token"))


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://bao.internal:8200", "https://bao.internal:8200"),
        ("https://bao.internal", "https://bao.internal"),
        ("https://BAO.internal/", "https://bao.internal"),
        ("https://10.0.0.7:8200", "https://10.0.0.7:8200"),
        ("https://[fd00::7]:8200", "https://[fd00::7]:8200"),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ("http://127.8.9.1:8200", "http://127.8.9.1:8200"),
        ("http://[::1]:8200", "http://[::1]:8200"),
        ("http://localhost:8200", "http://localhost:8200"),
        ("unix:///run/openbao/agent.sock", "http://socket.invalid"),
    ],
)
def test_an_address_is_taken(address: str, base: str) -> None:
    place, problems = parse_place(address, namespace="", ca_file=None)
    assert (place.base, problems) == (base, [])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://bao.internal:8200", "http is for this machine alone"),
        ("http://10.0.0.7:8200", "http is for this machine alone"),
        ("http://localhost.example:8200", "http is for this machine alone"),
        ("http://127.0.0.1.example", "http is for this machine alone"),
        ("http://2130706433", "http is for this machine alone"),
        ("ftp://bao.internal", "it begins with https"),
        ("https://user:word@bao.internal", "nothing more"),
        ("http://127.0.0.1@bao.internal", "nothing more"),
        ("http://127.0.0.1\\@bao.internal", "nothing more"),
        ("https://bao.internal/v1", "nothing more"),
        ("https://bao.internal?a=b", "nothing more"),
        ("https://bao.internal#a", "nothing more"),
        ("https://bao.internal:", "nothing more"),
        ("https://bao.internal:99999", "nothing more"),
        ("https://bao .internal", "nothing more"),
        ("https://[::1", "nothing more"),
        ("https://", "nothing more"),
        ("bao.internal:8200", "nothing more"),
        ("", "nothing more"),
        ("unix://run/openbao.sock", "whole path"),
    ],
)
def test_an_address_is_refused(address: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        OpenBaoKeyService(address, login=LOGIN)
    assert "word" not in str(refused.value)


def test_every_problem_is_told_at_once() -> None:
    role = AppRole(role_id="r", secret_id=Path("secret-id"), mount="../sys")
    with pytest.raises(SettingsError) as refused:
        OpenBaoKeyService("http://bao", login=role, key="a/b", mount="transit/", namespace="/team")
    told = [problem.partition(":")[0] for problem in refused.value.problems]
    assert told == ["namespace", "address", "key", "mount", "mount of the AppRole"]


@pytest.mark.parametrize("key", ["", "..", ".", "a/b", "a?b", "a%2fb", "a b", "-a", "a" * 129])
def test_a_key_that_would_leave_its_place_in_the_path_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="key: "):
        OpenBaoKeyService("https://bao", login=LOGIN, key=key)


@pytest.mark.parametrize("mount", ["transit", "team/transit", "a.b/c-d_e"])
def test_a_mount_may_have_several_segments(mount: str) -> None:
    OpenBaoKeyService("https://bao", login=LOGIN, mount=mount, namespace="team/one")
