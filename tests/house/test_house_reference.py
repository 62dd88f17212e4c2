"""The reference says what the code says: each table is computed here and must stand on its page."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Sequence

import pytest

from apikeychain import errors
from apikeychain.environment.variables import COMMAND, PLUGS, PREFIX, SETTINGS
from apikeychain.model import telemetry
from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, QueryCredential
from apikeychain.providers import CATALOGUE
from apikeychain.settings import APIKeyChainSettings
from command import ROOT

_CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]


def _first(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n", 1)[0].split())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _answers() -> str:
    concrete = [cls for cls in _CLASSES if issubclass(cls, errors.AnswerError) and not cls.__subclasses__()]
    codes = sorted((cls.status, f"`{cls.code}`", cls.title, f"`{cls.__name__}`") for cls in concrete)
    return _table(("status", "code", "title", "class"), [(str(status), *rest) for status, *rest in codes])


def _others() -> str:
    answers = errors.AnswerError
    others = [cls for cls in _CLASSES if not issubclass(cls, answers) and issubclass(cls, errors.APIKeyChainError)]
    return _table(("class", "when"), [(f"`{cls.__name__}`", _first(cls)) for cls in others])


def _settings() -> str:
    text = inspect.getdoc(APIKeyChainSettings) or ""
    block = textwrap.dedent(text.split("Attributes:\n", 1)[1].split("\n\n", 1)[0])
    told = dict(re.findall(r"^(\w+): (.*(?:\n +.*)*)", block, re.MULTILINE))
    rows = [
        (f"`{item.name}`", f"`{item.default!r}`", " ".join(told[item.name].replace("``", "`").split()))
        for item in dataclasses.fields(APIKeyChainSettings)
    ]
    return _table(("setting", "default", "meaning"), rows)


def _variables() -> str:
    rows = [(f"`{PREFIX}{name}`", meaning) for name, meaning in {**PLUGS, **COMMAND}.items()]
    rows += [(f"`{PREFIX}{name}`", f"the setting `{field.name}`.") for name, field in SETTINGS.items()]
    return _table(("variable", "meaning"), rows)


def _where(credential: Credential) -> str:
    if isinstance(credential, HeaderCredential):
        return f"`{credential.header}: {credential.prefix}<secret>`"
    if isinstance(credential, BasicCredential):
        return f"`Authorization: Basic {'<secret>' if credential.username is None else credential.username}`"
    assert isinstance(credential, QueryCredential)
    return f"`?{credential.parameter}=<secret>`"


def _catalogue() -> str:
    rows = [
        (
            f"`{entry.provider.name}`",
            f"`{entry.provider.base_url}`",
            _where(entry.provider.credential),
            ", ".join(f"`{route.name}`" + ("" if route.enabled else " (off)") for route in entry.routes),
            f"[read {entry.provider.reviewed}]({entry.provider.source})",
        )
        for entry in CATALOGUE
    ]
    return _table(("provider", "base URL", "credential", "routes", "documentation"), rows)


def _key_apis() -> str:
    rows = [
        (
            f"`{entry.provider.name}`",
            f"`{entry.key_api.describe.__name__}({', '.join(inspect.signature(entry.key_api.describe).parameters)})`",
            f"`{entry.key_api.provider.name}`, `{entry.key_api.provider.base_url}`",
            f"[read {entry.key_api.reviewed}]({entry.key_api.source})",
        )
        for entry in CATALOGUE
        if entry.key_api is not None
    ]
    return _table(("provider", "description", "keys are made at", "documentation"), rows)


def _spans() -> str:
    rows = [(f"`{telemetry.CALL}`", "one call, from its head to the last byte of its answer; of the kind `SERVER`")]
    rows += [(f"`apikeychain.{step}`", meaning) for step, meaning in telemetry.STEPS.items()]
    return _table(("span", "meaning"), rows)


def _attributes() -> str:
    rows = [(f"`{key}`", meaning) for key, meaning in telemetry.ATTRIBUTES.items()]
    return _table(("attribute", "value"), rows)


def _metrics() -> str:
    rows = [
        (
            f"`{name}`",
            metric.kind,
            f"`{metric.unit}`",
            metric.meaning,
            ", ".join(f"`{key}`" for key in metric.attributes),
        )
        for name, metric in telemetry.METRICS.items()
    ]
    return _table(("metric", "kind", "unit", "meaning", "attributes"), rows)


_TABLES = {
    "errors.md": [_answers(), _others()],
    "settings.md": [_settings(), _variables()],
    "catalogue.md": [_catalogue(), _key_apis()],
    "telemetry.md": [_spans(), _attributes(), _metrics()],
}


@pytest.mark.parametrize("page", _TABLES)
def test_a_page_of_the_reference_holds_what_the_code_says(page: str) -> None:
    text = (ROOT / "docs" / "reference" / page).read_text()
    for table in _TABLES[page]:
        assert table in text, f"docs/reference/{page} must hold:\n\n{table}\n"
