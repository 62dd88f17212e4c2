"""Records of every kind, in every shape that a store must give back as it was."""

from datetime import UTC, datetime, timedelta

from apikeychain.model.answer_transforms import DropFields, KeepFields, RenameField
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.origin import Origin
from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, Provider, QueryCredential
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    ProjectKey,
    ProjectName,
    Record,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
    Suspension,
    Tenant,
)
from apikeychain.model.request_transforms import DefaultParameter, DropParameter, RenameParameter, SetParameter
from apikeychain.model.route import (
    FormBody,
    FormParameter,
    HeaderParameter,
    JSONBody,
    JSONField,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Timeouts,
)
from apikeychain.model.sanitizers import Sanitizer

ACME = TenantId("acme")
GLOBEX = TenantId("globex")
SHOP = ProjectId("p_" + "a" * 20)
NOW = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)


def tenant(owner: TenantId) -> Tenant:
    """A tenant; its wrapped bytes are no UTF-8."""
    return Tenant(id=owner, created=NOW, wrapped_secret=bytes(range(256)), wrapped_pseudonym_key=b"\xff\x00")


def project(of: ProjectId, name: str = "shop", generation: int = 1) -> Project:
    """A project."""
    return Project(id=of, name=name, created=NOW, generation=generation)


def draft(number: int) -> LedgerDraft:
    """A draft that says its number."""
    return LedgerDraft(
        at=NOW + timedelta(seconds=number),
        kind="call",
        actor="caller",
        project=SHOP if number % 2 else None,
        data={"number": number, "route": "wetter-ä", "none": None, "deep": [{"yes": True}]},
    )


def _provider(name: str, credential: Credential, **rest: str | tuple[object, ...]) -> RegisteredProvider:
    made = Provider(name, f"https://{name}.example.com:8443/v1", credential, **rest)  # type: ignore[arg-type]  # of tests
    return RegisteredProvider(project=SHOP, provider=made, created=NOW)


def _route(route: ProxyRoute) -> AddedRoute:
    return AddedRoute(project=SHOP, route=route, created=NOW)


_ROUTES = (
    ProxyRoute("plain", provider="weather"),
    ProxyRoute(
        "all",
        provider="weather",
        path="/users/{user}/posts",
        methods=("GET", "POST"),
        parameters=(
            QueryParameter("q", pattern="[a-z]+", choices=("a", "b"), max_length=9, required=True),
            QueryParameter("n", type="number", minimum=-0.5, maximum=1e300, default="0", many=True),
            QueryParameter("fixed", type="boolean", fixed="true"),
            PathParameter("user", type="integer", minimum=1, maximum=2),
            HeaderParameter("x-thing"),
        ),
        body=JSONBody((JSONField("list", type="array"), JSONField("text")), undeclared="forward"),
        tail=("[a-z]+", "[0-9]+"),
        undeclared="forward",
        headers=("x-more",),
        tolerated=("x-stainless-*",),
        answer_headers=("x-answer",),
        secret="other",  # noqa: S106  # the name of a secret, not one
        max_body_bytes=5,
        timeouts=Timeouts(connect=0.25, total=None),
        stream=True,
        ranges=True,
        cache_seconds=60,
        quota="10/minute",
        request_transforms=(
            SetParameter("q", "a"),
            RenameParameter("page", "n"),
            DropParameter("x-gone", place="header"),
            DefaultParameter("amount", "1", place="form"),
        ),
        enabled=False,
    ),
    ProxyRoute(
        "shaped",
        provider="header",
        answer_transforms=(KeepFields(("id", "items.mail")), DropFields("x"), RenameField("items.mail", "\u00e4")),
    ),
    ProxyRoute("form", provider="stripe", body=FormBody((FormParameter("amount", type="integer"),)), tail=True),
    ProxyRoute("raw", provider="images", body=RawBody(("image/png", "image/*"))),
)
RECORDS: tuple[Record, ...] = (
    ProjectName(name="shop", project=SHOP),
    AllowedOrigin(project=SHOP, origin=Origin("https://app.example.com"), created=NOW),
    AllowedOrigin(project=SHOP, origin=Origin("http://[::1]:3000"), created=NOW),
    _provider("header", HeaderCredential("Authorization", "Bearer "), user_agent="ua", headers=(("x-v", "1"),)),
    _provider("query", QueryCredential("appid"), source="https://example.com/docs", reviewed="2026-01-31"),
    _provider(
        "basic",
        BasicCredential("user"),
        sanitizers=(
            Sanitizer("q", pattern="[a-z]+", minimum=-0.5, maximum=9, denied=("..", "\u00e4")),
            Sanitizer("n", minimum=1),
        ),
    ),
    _provider("pair", BasicCredential()),
    *(_route(route) for route in _ROUTES),
    ProjectKey(
        project=SHOP,
        version="0f" * 16,
        number=1,
        created=NOW,
        kdf="argon2id",
        salt=bytes(32),
        wrapped_master=b"\x80m",
        wrapped_derived=b"\x80d",
        wrapped_metadata=b"\x80n",
    ),
    SealedSecret(
        project=SHOP,
        name="weather",
        provider="weather",
        version=3,
        fingerprint="00" * 8,
        sealed=b"AK\x01\x01\xff",
        created=NOW,
        changed=NOW + timedelta(days=1),
    ),
    SigningKey(project=SHOP, id="k_abcdefghij", created=NOW, sealed=b"AK\x01\x01\xfe"),
    Suspension(project=SHOP, scope="project", value="", reason="by hand", created=NOW),
    Suspension(project=SHOP, scope="caller", value="192.0.2.1", reason="'; --", created=NOW, until=NOW),
)
