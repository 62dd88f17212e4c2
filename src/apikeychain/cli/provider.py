"""`apikeychain provider`."""

from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.catalogue import known_provider
from apikeychain.cli.declared import plain
from apikeychain.cli.invocation import Call
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, Provider, QueryCredential
from apikeychain.providers import CATALOGUE

app = App(name="provider", help="The third-party APIs of a project.")
_COLUMNS = ["name", "base_url", "credential"]


@app.command
async def register(
    project: str,
    name: str | None = None,
    /,
    *,
    known: str | None = None,
    base_url: str | None = None,
    header: str | None = None,
    prefix: Annotated[str, Parameter(show_default=False)] = "",
    query: str | None = None,
    basic: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    username: str | None = None,
    user_agent: str | None = None,
    call: Call,
) -> None:
    """Register a provider, from the catalogue or in full, or change one.

    After a change of its base URL its secrets must be put again.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the provider; not needed with --known.
        known: one of the catalogue, see: apikeychain provider known.
        base_url: https://host/path, without a query.
        header: the secret goes in this header, behind --prefix.
        prefix: like 'Bearer ', with its blank.
        query: the secret goes in this query parameter.
        basic: the secret goes as HTTP Basic, as user:password or as password of --username.
        username: for --basic.
        user_agent: what the provider wants to see.
    """
    if known is not None:
        if base_url or header or prefix or query or basic or username or user_agent:
            msg = "--known brings the whole provider: give no other option with it"
            raise InvalidValueError(msg)
        provider = known_provider(known, name)
    elif name is None or base_url is None:
        msg = "say --known NAME, or a NAME with --base-url and one of --header, --query and --basic"
        raise InvalidValueError(msg)
    else:
        credential = _credential(header, prefix, query, username, basic=basic)
        provider = Provider(name, base_url, credential, user_agent=user_agent)
    async with call.project(project) as found:
        await found.register_provider(provider)
    call.done(f"provider {provider.name} is registered: {provider.base_url}", project=found.id, **_facts(provider))


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List the providers of a project.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [_facts(registered.provider) for registered in await found.list_providers()]
    nothing = f"{found.name} has no provider; register one with: apikeychain provider register {found.id} --known NAME"
    call.many(rows, _COLUMNS, nothing)


@app.command
async def show(project: str, name: str, /, *, call: Call) -> None:
    """Show a provider.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the provider.
    """
    async with call.project(project) as found:
        providers = {registered.provider.name: registered for registered in await found.list_providers()}
    if name not in providers:
        msg = f"the project {found.name!r} has no provider {name!r}"
        raise DoesNotExistError(msg)
    call.one({**_facts(providers[name].provider), "created": providers[name].created})


@app.command
async def remove(project: str, name: str, /, *, call: Call) -> None:
    """Remove a provider that no route and no secret uses.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the provider.
    """
    async with call.project(project) as found:
        await found.remove_provider(name)
    call.done(f"provider {name} is removed", project=found.id, name=name, removed=True)


@app.command
async def known(*, call: Call) -> None:
    """List the providers of the catalogue, and the routes that are ready for each."""
    rows = [
        {"name": entry.provider.name, "base_url": entry.provider.base_url, "routes": [r.name for r in entry.routes]}
        for entry in CATALOGUE
    ]
    call.many(rows, ["name", "base_url", "routes"], "")


def _credential(header: str | None, prefix: str, query: str | None, username: str | None, *, basic: bool) -> Credential:
    if (header is not None) + (query is not None) + basic != 1:
        msg = "where does the secret go? Say one of --header NAME, --query NAME and --basic"
        raise InvalidValueError(msg)
    if (prefix and header is None) or (username is not None and not basic):
        msg = "--prefix belongs to --header, and --username to --basic"
        raise InvalidValueError(msg)
    if header is not None:
        return HeaderCredential(header, prefix)
    return QueryCredential(query) if query is not None else BasicCredential(username)


def _facts(provider: Provider) -> dict[str, object]:
    return {
        "name": provider.name,
        "base_url": provider.base_url,
        "credential": _where(provider.credential),
        "user_agent": provider.user_agent,
        "headers": dict(provider.headers),
        "sanitizers": [plain(sanitizer, full=False) for sanitizer in provider.sanitizers],
        "source": provider.source,
        "reviewed": provider.reviewed,
    }


def _where(credential: Credential) -> str:
    """Where the secret goes, as a picture of it."""
    if isinstance(credential, HeaderCredential):
        return f"{credential.header}: {credential.prefix}<secret>"
    if isinstance(credential, QueryCredential):
        return f"?{credential.parameter}=<secret>"
    return f"Basic {credential.username}:<secret>" if credential.username is not None else "Basic <secret>"
