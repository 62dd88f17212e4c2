"""`apikeychain apply`: make what is stored equal to what a file declares."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.declaration import DeclaredProject, DeclaredTenant, Reader
from apikeychain.cli.fields import Place, read_toml
from apikeychain.cli.invocation import Call, Invocation, quiet
from apikeychain.errors import APIKeyChainError, DoesNotExistError
from apikeychain.keychain import APIKeyChain
from apikeychain.model.ledger import JSON, LedgerDraft


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs.

    Attributes:
        project: its name, or None for the tenant itself.
        kind: as the ledger calls it.
        data: as the ledger keeps it, without what is drawn anew by each run.
    """

    tenant: str
    project: str | None
    kind: str
    data: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


async def apply(
    file: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    prune: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    call: Call,
) -> int:
    """Make tenants and projects equal to what a TOML file declares, and tell what differed.

    Everything is tried first: with one mistake in the file, nothing is changed.

    Args:
        file: the TOML file.
        dry_run: only tell what would change.
        prune: remove what is stored in a project and not in the file, for each kind that the file names there.
    """
    problems: list[str] = []
    declared = Reader(file.parent, call.development).tenants(Place(problems), read_toml(file))
    async with _rehearsal(call) as rehearsing:
        changes = await rehearsing.rehearse(declared, prune=prune)
    if problems:
        for problem in problems:
            output.complain(f"{file}: {problem}")
        return 1
    if not dry_run:
        async with call.keychain(create=True) as keychain:
            changes = await Bringing(keychain, call.actor).bring(declared, prune=prune)
    _tell(call, changes, dry_run=dry_run)
    return 0


@dataclass(frozen=True, slots=True)
class Bringing:
    """Brings a keychain to what is declared.

    Attributes:
        scratch: None to do it; to try it only, a keychain in memory in which is made what is missing.
    """

    keychain: APIKeyChain
    actor: str
    scratch: APIKeyChain | None = None

    async def bring(self, declared: Sequence[DeclaredTenant], *, prune: bool) -> list[Change]:
        """Bring tenant by tenant, each project in one transaction. Returns what differed."""
        changes: list[Change] = []
        for tenant in declared:
            changes += await self._tenant(tenant.id)
            for project in tenant.projects:
                changes += await self._project(tenant.id, project, prune=prune)
        return changes

    async def rehearse(self, declared: Sequence[DeclaredTenant], *, prune: bool) -> list[Change]:
        """The same; what goes wrong is noted at its place in the file."""
        changes: list[Change] = []
        for tenant in declared:
            try:
                changes += await self._tenant(tenant.id)
            except APIKeyChainError as error:
                tenant.place.note(error)
                continue
            for project in tenant.projects:
                try:
                    changes += await self._project(tenant.id, project, prune=prune)
                except APIKeyChainError as error:
                    project.place.note(error)
        return changes

    async def _tenant(self, tenant: str) -> list[Change]:
        try:
            found = await self.keychain.tenant(tenant)
        except DoesNotExistError:
            await (self.scratch or self.keychain).ensure_tenant(tenant, actor=self.actor)
            return [Change(tenant, None, "tenant.created")]
        # Of one that was erased nothing can be made: this says so.
        await found.list_projects()
        return []

    async def _project(self, tenant: str, declared: DeclaredProject, *, prune: bool) -> list[Change]:
        changes: list[Change] = []
        try:
            project = await (await self.keychain.tenant(tenant, actor=self.actor)).project(declared.name)
        except DoesNotExistError:
            maker = await (self.scratch or self.keychain).ensure_tenant(tenant, actor=self.actor)
            project = await maker.ensure_project(declared.name)
            changes.append(Change(tenant, declared.name, "project.created"))
        drafts = await project.configure(**declared.configuration, prune=prune, dry_run=self.scratch is not None)
        return changes + [Change(tenant, declared.name, draft.kind, _data(draft)) for draft in drafts]


@asynccontextmanager
async def _rehearsal(call: Invocation) -> AsyncGenerator[Bringing, None]:
    """Everything as it will be done, with nothing written."""
    async with AsyncExitStack() as stack:
        stack.enter_context(quiet())
        scratch = await stack.enter_async_context(APIKeyChain.in_memory(development=call.development))
        stored = await stack.enter_async_context(call.keychain()) if call.exists else scratch
        yield Bringing(stored, call.actor, scratch)


def _data(draft: LedgerDraft) -> dict[str, JSON]:
    hidden = "version" if draft.kind == "key.created" else "fingerprint"
    return {name: value for name, value in draft.data.items() if name != hidden}


def _tell(call: Invocation, changes: Sequence[Change], *, dry_run: bool) -> None:
    if call.json:
        output.document({"dry_run": dry_run, "changes": [asdict(change) for change in changes]})
        return
    if not changes:
        output.say("nothing differs")
        return
    rows = [
        {"where": "/".join(filter(None, (c.tenant, c.project))), "change": c.kind, "details": c.data} for c in changes
    ]
    output.table(rows, ["where", "change", "details"])
    number = "1 change" if len(changes) == 1 else f"{len(changes)} changes"
    output.say(f"{number} would be made; nothing was written" if dry_run else f"{number} made")
