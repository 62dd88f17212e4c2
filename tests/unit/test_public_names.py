"""The names of the quickstart, each loaded on first use."""

import sys

import pytest

import apikeychain
from command import run


def loaded(statement: str, *names: str) -> list[str]:
    """Which of these packages are loaded in a fresh interpreter after `statement`."""
    program = f"import sys\n{statement}\nprint(*[name for name in {names!r} if name in sys.modules])"
    return run(sys.executable, "-c", program).split()


def test_the_list_is_sorted_and_complete() -> None:
    assert apikeychain.__all__ == sorted(apikeychain.__all__)
    assert set(apikeychain.__all__) == {*apikeychain._ROOMS, "providers"}
    assert set(apikeychain.__all__) <= set(dir(apikeychain))


@pytest.mark.parametrize("name", apikeychain.__all__)
def test_every_name_leads_to_what_it_says(name: str) -> None:
    found = getattr(apikeychain, name)
    assert getattr(found, "__name__").rpartition(".")[2] == name  # noqa: B009 - classes and one module
    assert found.__doc__


def test_what_is_not_public_is_told() -> None:
    with pytest.raises(AttributeError, match=r"^module 'apikeychain' has no attribute 'Keychain'$"):
        _ = apikeychain.Keychain


def test_the_package_alone_loads_nothing_of_others() -> None:
    names = ("starlette", "sqlalchemy", "aiohttp", "httpx", "limits", "cryptography", "pydantic", "argon2")
    assert loaded("import apikeychain", *names) == []


def test_the_middleware_loads_no_application_of_starlette_and_no_backend() -> None:
    names = ("starlette.applications", "starlette.middleware", "sqlalchemy", "aiohttp", "httpx", "limits", "alembic")
    assert loaded("from apikeychain import APIKeyChain, APIKeyChainMiddleware", *names) == []


def test_an_open_keychain_loads_no_application_of_starlette() -> None:
    statement = (
        "import asyncio\nfrom apikeychain import APIKeyChain, APIKeyChainMiddleware\n"
        "async def main():\n    async with APIKeyChain.in_memory(development=False): pass\n"
        "asyncio.run(main())"
    )
    assert loaded(statement, "starlette.applications", "starlette.middleware", "sqlalchemy", "aiohttp") == ["aiohttp"]
