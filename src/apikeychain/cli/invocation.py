"""One run of the command: on which data, as whom, and in which form it answers."""

import logging
import os
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.embedded import DATABASE, KEY_FILE_VARIABLE
from apikeychain.environment.choices import Choices
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import DataDirectoryError, DoesNotExistError, InvalidValueError
from apikeychain.keychain import APIKeyChain
from apikeychain.tenants.ledger_verbs import LedgerVerbs
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

_DATA = "./apikeychain-data"
_ACTOR = "cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What every verb is given.

    Attributes:
        data: the data directory; None for what the environment says.
        label: of who does this, as it was named, or None.
        development: whether http origins on localhost are taken.
        json: whether the answer is a JSON document instead of text.
    """

    data: Path | None
    label: str | None
    development: bool
    json: bool

    def environment(self) -> Environment:
        """What is worked on: the data directory that was named, else what the environment says.

        Raises:
            SettingsError: the environment is wrong, with every problem.
        """
        with quiet():
            return read_environment(self._variables())

    def _variables(self) -> dict[str, str]:
        given: dict[str, str] = {} if self.data else dict(os.environ)
        if self.data:
            given[PREFIX + "DATA"] = str(Path.cwd() / self.data)
            given[PREFIX + "KEY_FILE"] = os.environ.get(KEY_FILE_VARIABLE, "")
        elif not any(given.get(PREFIX + name) for name in ("DATABASE_URL", "DATABASE_URL_FILE", "DATA")):
            given[PREFIX + "DATA"] = _DATA
        if self.development:
            given[PREFIX + "DEVELOPMENT"] = "true"
        return given

    @property
    def actor(self) -> str:
        """The label in the ledger."""
        return self.label or _ACTOR

    @property
    def exists(self) -> bool:
        """Whether there is a keychain already."""
        return _exists(self.environment().choices)

    @asynccontextmanager
    async def keychain(self, *, create: bool = False) -> AsyncGenerator[APIKeyChain, None]:
        """The keychain, open. It takes no lock: a server may serve from the same directory.

        Args:
            create: whether a missing one is made.

        Raises:
            DataDirectoryError: there is none, and `create` is off: a mistyped path makes nothing.
        """
        environment = self.environment()
        if not create and not _exists(environment.choices):
            msg = (
                f"there is no keychain in {str(environment.choices.data)!r}: say --data DIR or set APIKEYCHAIN_DATA, "
                "or make one with: apikeychain tenant create ID"
            )
            raise DataDirectoryError(msg)
        with quiet():
            async with APIKeyChain.from_environment(environment) as keychain:
                yield keychain

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncGenerator[TenantAdmin, None]:
        """A tenant's verbs. Raises DoesNotExistError."""
        async with self.keychain() as keychain:
            yield await keychain.tenant(tenant, actor=self.actor)

    @asynccontextmanager
    async def ledger(self, chain: str) -> AsyncGenerator[LedgerVerbs, None]:
        """The ledger of a tenant, also of one that is gone, or the one named platform. Raises DoesNotExistError."""
        async with self.keychain() as keychain:
            try:
                found: LedgerVerbs = await keychain.tenant(chain, actor=self.actor)
            except DoesNotExistError:
                found = await keychain.ledger(chain)
            yield found

    @asynccontextmanager
    async def project(self, project: str) -> AsyncGenerator[ProjectAdmin, None]:
        """A project's verbs, by its public id or by TENANT/NAME. Raises DoesNotExistError."""
        async with self.keychain() as keychain:
            yield await self.find(keychain, project)

    async def find(self, keychain: APIKeyChain, project: str) -> ProjectAdmin:
        """The same in an open keychain."""
        tenant, slash, name = project.partition("/")
        if slash:
            return await (await keychain.tenant(tenant, actor=self.actor)).project(name)
        try:
            return await keychain.project(project, actor=self.actor)
        except InvalidValueError:
            msg = f"not a project: {project!r}. Write its id p_..., or TENANT/NAME"
            raise InvalidValueError(msg) from None

    def done(self, sentence: str, **facts: object) -> None:
        """Tell that a change is made: a sentence, or the facts as JSON."""
        if self.json:
            output.document(facts)
        else:
            output.say(sentence)

    def one(self, facts: output.Document) -> None:
        """Show one thing."""
        (output.document if self.json else output.fields)(facts)

    def many(self, rows: Sequence[output.Document], columns: Sequence[str], nothing: str) -> None:
        """Show a list.

        Args:
            rows: each with more than the columns where JSON tells more.
            columns: those of the table.
            nothing: the sentence for an empty table.
        """
        if self.json:
            output.document(rows)
        elif rows:
            output.table(rows, columns)
        else:
            output.say(nothing)


def _exists(choices: Choices) -> bool:
    """A database is there or is told to be missing when it is opened."""
    return choices.data is None or bool(choices.database_url) or (choices.data / DATABASE).exists()


class _Quiet(logging.Filter):
    """Keeps warnings that are meant for a server out of the terminal of a command."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR


@contextmanager
def quiet() -> Generator[None, None, None]:
    """No warnings of the keychain while it is open."""
    logger, filter_ = logging.getLogger("apikeychain"), _Quiet()
    logger.addFilter(filter_)
    try:
        yield
    finally:
        logger.removeFilter(filter_)


Call = Annotated[Invocation, Parameter(parse=False)]
