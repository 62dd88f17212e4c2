"""A witness behind a signed webhook: whoever runs it keeps what this installation says, where it cannot take it back.

Every question goes to one URL as a POST, signed as Standard Webhooks has it, reading too: only who knows the secret is
told how large a chain is. What is asked and answered is in `witness_protocol`.

Source: contracts 4, "Connection"; Standard Webhooks; docs/reference/witness-protocol.md.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn, Self, TypeVar, final

from apikeychain.backends.dialling import NO_ANSWER
from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.backends.patience import Patience
from apikeychain.backends.webhook import WebhookLine, WebhookPlace, why_not
from apikeychain.backends.witness_protocol import (
    key_lists_request,
    latest_request,
    publish_request,
    read_key_lists,
    read_latest,
    read_reasons,
    vouch_request,
)
from apikeychain.backends.witnessed import by_chain, damaged, require_no_failure, require_none
from apikeychain.errors import BackendUnavailableError, WitnessRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.primitives import random_bytes
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.reading import ProofError
from apikeychain.secret import Secret

MAX_ANSWER_BYTES = 4 * 1024 * 1024
_TOLD = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT})
# As many fit into a request of a megabyte or two.
_AT_ONCE = 256
_log = logging.getLogger("apikeychain.witness")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP, or 0 where nothing came.
        reason: for the operator, where nothing came.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    reason: str = "it does not answer"

    @property
    def is_passing(self) -> bool:
        """See Told."""
        broken = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return broken or self.status in {NO_ANSWER, HTTPStatus.TOO_MANY_REQUESTS}

    @property
    def is_failure(self) -> bool:
        """See Told."""
        return self.status not in _TOLD

    def why(self, refused: str) -> str:
        """See Told."""
        return why_not(self.status, self.reason, refused)


@final
class Line:
    """What asks one webhook in one event loop.

    Args:
        webhook: that is asked.

    Attributes:
        entered: how often it was opened.
    """

    def __init__(self, webhook: WebhookLine) -> None:
        self._webhook = webhook
        self._patience = Patience("the webhook", _log, Answer(NO_ANSWER), "witness")
        self.entered = 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._webhook.aclose()

    async def ask(self, body: bytes, read: Callable[[bytes], T]) -> T:
        """What is read out of a good answer.

        Args:
            body: of the request.
            read: raises ProofError where there is no answer in it.

        Raises:
            WitnessRefusedError: it keeps something else.
            BackendUnavailableError: it cannot be reached, or does not do what it is asked.
        """
        message = f"msg_{random_bytes(16).hex()}"
        answer = await self._patience.ask(lambda: self._asked_once(message, body))
        try:
            if answer.status == HTTPStatus.CONFLICT:
                raise WitnessRefusedError(read_reasons(answer.body))
            return read(answer.body)
        except ProofError:
            self._patience.refuse("its answer cannot be read")

    async def _asked_once(self, message: str, body: bytes) -> Answer:
        came = await self._webhook.ask(message, body)
        return Answer(came.status, came.body, came.reason)


class WebhookWitness:
    """Publishes checkpoints to a URL, signed as Standard Webhooks has it. See Witness.

    An async context manager, in each event loop or often. Entering it asks nobody: a receiver that is down is told by
    each verb.

    Args:
        url: ``https://host[:port]/path``; ``http://`` for a loopback host.
        secrets: ``whsec_`` and base64, as the receiver has it; two while it changes to another.
        ca_file: the authorities that its certificate may come from; None for those of the system.
        now: the wall clock, unix seconds.

    Raises:
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[Secret],
        ca_file: Path | str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._place = WebhookPlace(url, secrets=secrets, ca_file=ca_file, most=MAX_ANSWER_BYTES, now=now)
        self._lines: OpenedLines[Line] = OpenedLines("witness")

    async def __aenter__(self) -> Self:
        """Open it in this event loop.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        await self._lines.enter(self._new_line)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        """See Witness.latest."""
        found = await self._lines.here.ask(latest_request(tenant), read_latest)
        if found is not None and Statement.parse(found.statement).tenant != tenant:
            _refuse(tenant)
        return found

    async def publish(self, extensions: Sequence[Extension]) -> None:
        """See Witness.publish. Many are sent in several requests."""
        given = by_chain(extensions)
        refused, tenants = dict(given.refused), [*given.chains]
        for begin in range(0, len(tenants), _AT_ONCE):
            asked = [given.chains[tenant] for tenant in tenants[begin : begin + _AT_ONCE]]
            try:
                await self._lines.here.ask(publish_request(asked), _done)
            except WitnessRefusedError as error:
                refused |= error.reasons
            except BackendUnavailableError as error:
                require_no_failure(dict.fromkeys(tenants[begin:], error), refused)
        require_none(refused)

    async def vouch(self, key_lists: Sequence[str]) -> None:
        """See Witness.vouch."""
        await self._lines.here.ask(vouch_request(key_lists), _done)

    async def key_lists(self) -> Sequence[str]:
        """See Witness.key_lists."""
        return await self._lines.here.ask(key_lists_request(), read_key_lists)

    async def _new_line(self) -> Line:
        return Line(await self._place.line())


def _done(_: bytes) -> None:
    """Nothing is told of what was kept."""


def _refuse(tenant: TenantId) -> NoReturn:
    what = "what the webhook tells"
    raise damaged(what, "it is of another tenant", tenant)
