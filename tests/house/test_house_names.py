"""The public names: few, sorted, pinned, and each of them there."""

import importlib
import pkgutil
import sys

import pytest

import apikeychain
from command import run

# A name that is added here is a promise; one that is taken away breaks somebody.
PUBLIC = {
    "APIKeyChain",
    "APIKeyChainError",
    "APIKeyChainMiddleware",
    "APIKeyChainSettings",
    "AWSCredential",
    "AcceptedCall",
    "BasicCredential",
    "DefaultParameter",
    "DropFields",
    "DropParameter",
    "FormBody",
    "FormParameter",
    "HMACCredential",
    "HeaderCredential",
    "HeaderParameter",
    "JSONBody",
    "JSONField",
    "KeepFields",
    "Network",
    "OAuth2Credential",
    "PathParameter",
    "Provider",
    "ProviderSecret",
    "ProxyRoute",
    "QueryCredential",
    "QueryParameter",
    "RawBody",
    "RenameField",
    "RenameParameter",
    "Sanitizer",
    "Secret",
    "SecureTransportMiddleware",
    "SetParameter",
    "Timeouts",
    "providers",
}


def _is_run(name: str) -> bool:
    """Whether importing it would do its work: a program, or a migration that wants a database."""
    return "migrations" in name or name.endswith("__main__")


_MODULES = sorted(m.name for m in pkgutil.walk_packages(apikeychain.__path__, "apikeychain.") if not _is_run(m.name))
_WITH_ALL = [name for name in _MODULES if hasattr(importlib.import_module(name), "__all__")]


def test_the_public_names_are_sorted_and_each_is_there() -> None:
    assert apikeychain.__all__ == sorted(apikeychain.__all__)
    assert len(set(apikeychain.__all__)) == len(apikeychain.__all__)
    assert all(getattr(apikeychain, name) is not None for name in apikeychain.__all__)


def test_the_public_names_are_these_and_no_more() -> None:
    assert set(apikeychain.__all__) == PUBLIC


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        getattr(apikeychain, "no_such_name")  # noqa: B009  # a plain attribute would not pass the type checkers


@pytest.mark.parametrize("name", _WITH_ALL)
def test_what_a_module_lists_it_has(name: str) -> None:
    module = importlib.import_module(name)
    assert [listed for listed in module.__all__ if not hasattr(module, listed)] == []


def test_the_package_alone_loads_no_server_and_no_database() -> None:
    heavy = ["starlette", "sqlalchemy", "aiohttp", "httpx", "pydantic", "cyclopts"]
    program = f"import sys, apikeychain; print(sorted(set({heavy!r}) & set(sys.modules)))"
    assert run(sys.executable, "-c", program).strip() == "[]"
