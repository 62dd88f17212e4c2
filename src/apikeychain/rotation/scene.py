"""All that is stored of one secret that turns, at one moment."""

from dataclasses import dataclass

from apikeychain.listing import every
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret, Tenant
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.rotators import HostRotation, ManualRotation
from apikeychain.ports.store import TenantReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One secret and what its rotation needs.

    Attributes:
        keys: at the provider, in the order of their numbers.
        sealed: the secret as it serves; `registered`: its provider.
        key_api: the provider of the key API, or None where the description names none, or it is gone.
        project_keys: those that open and seal, in the order of their numbers.
    """

    tenant: Tenant
    rotation: Rotation
    keys: tuple[ProviderKey, ...]
    sealed: SealedSecret
    registered: RegisteredProvider
    key_api: RegisteredProvider | None
    project_keys: tuple[ProjectKey, ...]

    @property
    def openers(self) -> dict[str, ProjectKey]:
        """The project's keys by their versions."""
        return {key.version: key for key in self.project_keys}

    def key(self, number: int) -> ProviderKey | None:
        """The key of that number."""
        return next((key for key in self.keys if key.number == number), None)


async def scene_of(reader: TenantReader, project: ProjectId, secret: str) -> Scene | None:
    """What is stored, or None where there is no such rotation, or nothing of what it is about."""
    tenant, rotation = await reader.get(Tenant, ()), await reader.get(Rotation, (project, secret))
    sealed = await reader.get(SealedSecret, (project, secret))
    if tenant is None or rotation is None or sealed is None:
        return None
    registered = await reader.get(RegisteredProvider, (project, sealed.provider))
    if registered is None:
        return None
    project_keys = await every(reader, ProjectKey, project)
    return Scene(
        tenant=tenant,
        rotation=rotation,
        keys=tuple(await every(reader, ProviderKey, project, secret)),
        sealed=sealed,
        registered=registered,
        key_api=await _key_api(reader, rotation),
        project_keys=tuple(sorted(project_keys, key=lambda key: key.number)),
    )


async def _key_api(reader: TenantReader, rotation: Rotation) -> RegisteredProvider | None:
    how = rotation.how
    if isinstance(how, HostRotation | ManualRotation):
        return None
    return await reader.get(RegisteredProvider, (rotation.project, how.provider))
