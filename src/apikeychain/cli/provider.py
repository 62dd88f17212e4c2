"""`apikeychain provider`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.catalogue import known_provider
from apikeychain.cli.declared import declared_provider, plain
from apikeychain.cli.fields import Place, read_toml
from apikeychain.cli.invocation import Call
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.provider import (
    BasicCredential,
    Credential,
    HeaderCredential,
    OAuth2Credential,
    Provider,
    QueryCredential,
)
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential
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
    file: Path | None = None,
    base_url: str | None = None,
    header: str | None = None,
    prefix: Annotated[str, Parameter(show_default=False)] = "",
    query: str | None = None,
    basic: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    username: str | None = None,
    oauth2: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    user_agent: str | None = None,
    call: Call,
) -> None:
    """Register a provider, from the catalogue, from a TOML file or in full, or change one.

    After a change of its base URL its secrets must be put again.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the provider; not needed with --known.
        known: one of the catalogue, see: apikeychain provider known.
        file: a TOML file with the fields of one provider; for one whose calls are signed.
        base_url: https://host/path, without a query.
        header: the secret goes in this header, behind --prefix.
        prefix: like 'Bearer ', with its blank.
        query: the secret goes in this query parameter.
        basic: the secret goes as HTTP Basic, as user:password or as password of --username.
        username: for --basic.
        oauth2: the secret is an access token, and goes as Bearer token.
        user_agent: what the provider wants to see.
    """
    if known is not None or file is not None:
        if (known and file) or base_url or header or prefix or query or basic or username or oauth2 or user_agent:
            msg = "--known and --file each bring the whole provider: give no other option with it"
            raise InvalidValueError(msg)
        provider = known_provider(known, name) if known is not None else _from_file(file or Path(), name)
    elif name is None or base_url is None:
        msg = "say --known NAME, --file PATH, or a NAME with --base-url and one of --header, --query, --basic, --oauth2"
        raise InvalidValueError(msg)
    else:
        credential = _credential(header, prefix, query, username, basic=basic, oauth2=oauth2)
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
    """Remove a provider that no route, no secret and no rotation uses.

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


def _from_file(file: Path, name: str | None) -> Provider:
    problems: list[str] = []
    table = read_toml(file) | ({} if name is None else {"name": name})
    provider = declared_provider(Place(problems, (str(file),)), table)
    if provider is None or problems:
        raise InvalidValueError("; ".join(problems))
    return provider


def _credential(
    header: str | None, prefix: str, query: str | None, username: str | None, *, basic: bool, oauth2: bool
) -> Credential:
    if (header is not None) + (query is not None) + basic + oauth2 != 1:
        msg = "where does the secret go? Say one of --header NAME, --query NAME, --basic and --oauth2"
        raise InvalidValueError(msg)
    if (prefix and header is None) or (username is not None and not basic):
        msg = "--prefix belongs to --header, and --username to --basic"
        raise InvalidValueError(msg)
    if header is not None:
        return HeaderCredential(header, prefix)
    if query is not None:
        return QueryCredential(query)
    return OAuth2Credential() if oauth2 else BasicCredential(username)


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
    if isinstance(credential, AWSCredential):
        return f"signed for AWS {credential.service} in {credential.region}"
    if isinstance(credential, HMACCredential):
        return f"{credential.header}: {credential.prefix}<HMAC with the secret>"
    if isinstance(credential, HeaderCredential):
        return f"{credential.header}: {credential.prefix}<secret>"
    if isinstance(credential, QueryCredential):
        return f"?{credential.parameter}=<secret>"
    if isinstance(credential, OAuth2Credential):
        return "Bearer <secret>"
    return f"Basic {credential.username}:<secret>" if credential.username is not None else "Basic <secret>"
