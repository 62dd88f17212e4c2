"""One run of the command: on which data, as whom, and in which form it answers."""

import logging
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.embedded import DATABASE
from apikeychain.errors import DataDirectoryError, InvalidValueError
from apikeychain.keychain import APIKeyChain
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What every verb is given.

    Attributes:
        data: the data directory.
        actor: the label in the ledger.
        development: whether http origins on localhost are taken.
        json: whether the answer is a JSON document instead of text.
    """

    data: Path
    actor: str
    development: bool
    json: bool

    @property
    def exists(self) -> bool:
        """Whether there is a keychain in the data directory."""
        return (self.data / DATABASE).exists()

    @asynccontextmanager
    async def keychain(self, *, create: bool = False) -> AsyncGenerator[APIKeyChain, None]:
        """The keychain, open. It takes no lock: a server may serve from the same directory.

        Args:
            create: whether a missing one is made.

        Raises:
            DataDirectoryError: there is none, and `create` is off: a mistyped path makes nothing.
        """
        if not create and not self.exists:
            msg = (
                f"there is no keychain in {str(self.data)!r}: say --data DIR or set APIKEYCHAIN_DATA, "
                "or make one with: apikeychain tenant create ID"
            )
            raise DataDirectoryError(msg)
        with quiet():
            async with APIKeyChain.embedded(self.data, development=self.development) as keychain:
                yield keychain

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncGenerator[TenantAdmin, None]:
        """A tenant's verbs. Raises DoesNotExistError."""
        async with self.keychain() as keychain:
            yield await keychain.tenant(tenant, actor=self.actor)

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
