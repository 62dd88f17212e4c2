"""A tenant with a project key, and key services that count or misbehave: for the tests of the vault."""

from collections.abc import Callable
from datetime import UTC, datetime

import canary
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.records import ProjectKey, SealedSecret, Tenant
from apikeychain.secret import Secret
from apikeychain.vault import Vault
from apikeychain.vault.key_services import KeyServices

TENANT, PROJECT = TenantId("acme"), ProjectId("p_abcdefghijklmnopqrst")
OTHER_PROJECT = ProjectId("p_tsrqponmlkjihgfedcba")
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
WEATHER = Provider("weather", "https://api.weather.example/v2", HeaderCredential("X-Key"))
PLAIN = canary.secret("live")


# A project key that opens nothing, for whoever looks at what stands beside its bytes.
KEY = ProjectKey(
    project=PROJECT,
    version="0f" * 16,
    number=1,
    created=NOW,
    kdf="argon2id",
    salt=bytes(32),
    wrapped_master=b"m",
    wrapped_derived=b"d",
    wrapped_metadata=b"n",
)


class CountingKeyService(MemoryKeyService):
    """Counts unwraps, and can be told to answer with something else."""

    def __init__(self) -> None:
        super().__init__()
        self.unwraps = 0
        self.distort: Callable[[bytes, KeyContext], bytes] = lambda key, _: key

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        self.unwraps += 1
        return self.distort(await super().unwrap(wrapped, context), context)


class Household:
    """A vault, a tenant and its first project key."""

    def __init__(self, vault: Vault, service: CountingKeyService, tenant: Tenant, key: ProjectKey) -> None:
        self.vault, self.service, self.tenant, self.key = vault, service, tenant, key

    @classmethod
    async def found(cls, clock: Callable[[], float]) -> "Household":
        """A fresh one, with nothing opened yet."""
        service = CountingKeyService()
        vault = Vault(KeyServices(service), kdf="pbkdf2-sha512", clock=clock)
        tenant = await vault.new_tenant(TENANT, NOW)
        key = await vault.new_project_key(tenant, PROJECT, 1, NOW)
        service.unwraps = 0
        return cls(vault, service, tenant, key)

    def fresh_vault(self) -> Vault:
        """A vault that has opened nothing, as after a restart."""
        return Vault(KeyServices(self.service), kdf="pbkdf2-sha512")

    async def put(self, plain: str = PLAIN, *, name: str = "main", version: int = 1) -> SealedSecret:
        """The row of a sealed secret."""
        sealed, mark = await self.vault.seal_secret(self.tenant, self.key, WEATHER, name, version, Secret(plain))
        return SealedSecret(
            project=self.key.project,
            name=name,
            provider=WEATHER.name,
            version=version,
            fingerprint=mark,
            sealed=sealed,
            created=NOW,
            changed=NOW,
        )

    @property
    def keys(self) -> dict[str, ProjectKey]:
        """The project's key versions, by version."""
        return {self.key.version: self.key}
