"""Records of every kind, in every shape that a store must give back as it was."""

from datetime import UTC, datetime, timedelta

from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.answer_transforms import DropFields, KeepFields, RenameField
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.finding import Finding
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.ledger_records import CheckpointKeys, OpenEntries, SignedChain, Worker
from apikeychain.model.origin import Origin
from apikeychain.model.provider import (
    BasicCredential,
    Credential,
    HeaderCredential,
    OAuth2Credential,
    Provider,
    QueryCredential,
)
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
    Tenant,
)
from apikeychain.model.request_transforms import DefaultParameter, DropParameter, RenameParameter, SetParameter
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.rotators import (
    AWSIAMRotation,
    HostRotation,
    HowToRotate,
    HTTPRotation,
    ManualRotation,
    OAuth2Rotation,
)
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
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential
from apikeychain.model.suspension import Suspension
from apikeychain.model.tally import Tally, ValueTally
from apikeychain.model.watch import CountedWindow, Deed, Sums, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.testing.asset_records import asset_records

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
CHAIN_RECORDS: tuple[Record, ...] = (
    CheckpointKeys(
        id="0001",
        created=NOW,
        public="a.example+00000000+AQ==\n",
        wrapped_ed25519=b"\x80e",
        wrapped_mldsa65=b"\x80m",
        key_list="signed",
        until=NOW + timedelta(days=1),
    ),
    SignedChain(statement='{"v":1}', index=2, path=(bytes(32), b"\xff" * 32), note="— \u00e4", peaks=(b"\x80" * 32,)),
    Worker(id="w_1", started=NOW, seen=NOW + timedelta(seconds=10)),
    OpenEntries(worker="w_1", tenant=GLOBEX, at_most=64),
    OutgoingAlert(
        alert=Alert(
            id="alert_1",
            at=NOW,
            tenant=GLOBEX,
            topic="rotation.refused",
            severity="warning",
            what="what",
            why="\u00e4",
            done="done",
            project=SHOP,
        ),
        after=NOW,
        sent=("log",),
        attempts=2,
    ),
    Errand(topic="alerts", tenant=GLOBEX, subject="", due=NOW),
    Cryptoperiod(name="default", created=NOW, version=3, uses=7, rewrapped=2, tried=3, behind=(GLOBEX,), again=NOW),
)
_ALERTED = Deed(answer="alert", scope="project", value="", at=NOW)
_COUNTED = Tally(parameters={"pairs": ValueTally(values=3, hashes={3, 1, 2}), "": ValueTally()})
_PROBE = Step(method="GET", path="/v1/models")
_HOWS: tuple[HowToRotate, ...] = (
    HTTPRotation(
        provider="openai-admin",
        credential="admin",
        create=Step(method="POST", path="/v1/keys", headers=(("x-v", "1"),), body='{"name":"{label}"}'),
        key="data.key",
        id="data.id",
        verify=_PROBE,
        revoke=Step(method="DELETE", path="/v1/keys/{id}", query=(("force", "{id}"),), form=(("why", "turn"),)),
        search=Search(step=Step(method="GET", path="/v1/keys"), keys="data", label="name", id="id", after="after"),
        idempotency="Idempotency-Key",
    ),
    AWSIAMRotation(provider="iam", credential="admin", user="shop", verify=_PROBE),
    OAuth2Rotation(provider="idp", credential="client", path="/token", scope="a b", client="body", verify=_PROBE),
    OAuth2Rotation(provider="idp", credential="client", path="/token", grant="refresh_token", refresh="refresh"),
    ManualRotation(),
    HostRotation(name="own"),
)
WATCH_RECORDS: tuple[Record, ...] = (
    WatchPolicy(project=SHOP, mode="act", answers=("alert", "rotate"), rules=("rate > 5 / minute",)),
    WatchMemory(
        project=SHOP,
        states={"ewma": '{"v":1}', "base64": "", "is": "\u00e4"},
        last=NOW,
        deeds=(Deed(answer="suspend", scope="route", value="plain", at=NOW, until=NOW, aside=True), _ALERTED),
        failed=(_ALERTED,),
        seen=Sums(begin=NOW, calls=1, failures=2, callers=3, bytes_out=4, unadmitted=5),
    ),
    CountedWindow(
        project=SHOP,
        begin="2026-02-28T23:59:00Z",
        worker="w_1",
        routes={"plain": Tally(calls=2, callers={"ab": 2}, sketch={2**48 - 1, 0}, countries={"": 1}), "is": _COUNTED},
    ),
    TightenedQuota(project=SHOP, scope="origin", value="http://[::1]:3000", divisor=4, created=NOW, until=NOW),
    Finding(
        project=SHOP,
        id="f_" + "a" * 20,
        at=NOW,
        since=NOW,
        detector="ewma",
        feature="rate",
        scope="project",
        value="",
        expected=0.1,
        seen=1e300,
        sure=99,
        blatant=True,
        admitted=True,
        why="\u00e4",
        done=("alert", "suspend"),
    ),
)
ASSET_RECORDS: tuple[Record, ...] = asset_records(SHOP, NOW)
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
    _provider("aws", AWSCredential("eu-central-1", "s3")),
    _provider("oauth2", OAuth2Credential()),
    _provider("hmac", HMACCredential(header="x-sign", signed="{timestamp}\n{body}", timestamp_header="x-time")),
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
    SigningKey(project=SHOP, id="k_abcdefghij", created=NOW, sealed=b"AK\x01\x01\xfe", until=NOW),
    *(
        Rotation(project=SHOP, secret=f"s{number}", how=how, created=NOW, due=NOW, hours=24, paused=bool(number))
        for number, how in enumerate(_HOWS)
    ),
    ProviderKey(
        project=SHOP,
        secret="s0",  # noqa: S106  # the name of a secret, not one
        number=1,
        state="created",
        reason="compromised",
        label="apikeychain-1",
        created=NOW,
        after=NOW,
        id="key_1",
        sealed=b"AK\x01\x01\xfd",
        version=2,
        fingerprint="01" * 8,
        asked=NOW,
        attempts=3,
        expires=NOW,
        failure="it does not answer",
    ),
    Suspension(project=SHOP, scope="project", value="", reason="by hand", created=NOW, cut=True),
    Suspension(project=SHOP, scope="caller", value="192.0.2.1", reason="'; --", created=NOW, until=NOW),
    *WATCH_RECORDS,
    *ASSET_RECORDS,
    *CHAIN_RECORDS,
)
