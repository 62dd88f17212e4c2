"""All tenants of a keychain: by the host's own id, and by the public id of a project."""

from apikeychain.errors import AlreadyExistsError, DoesNotExistError, InvalidValueError
from apikeychain.model.ids import TenantId, parse_project_id, parse_tenant_id
from apikeychain.model.ledger import JSON
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.rules import chain
from apikeychain.tenants.change import Office, erasure_of, known_tenant, note_platform, require_tenant
from apikeychain.tenants.ledger_verbs import LedgerAdmin
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

_PAGE = 500


async def create_tenant(office: Office, tenant: str, actor: str, key_service: str = DEFAULT_KEY_SERVICE) -> TenantAdmin:
    """A new tenant.

    Raises:
        AlreadyExistsError: there is one of that id, or was.
        InvalidValueError: not an id, or there is no such key service.
    """
    tenant_id, moment = parse_tenant_id(tenant), office.now()
    if tenant_id == chain.PLATFORM:
        msg = f"the tenant id {tenant!r} is reserved"
        raise InvalidValueError(msg)
    data: dict[str, JSON] = {} if key_service == DEFAULT_KEY_SERVICE else {"key_service": key_service}
    entry = chain.admin("tenant.created", at=moment, actor=actor, data=data)
    record = await office.vault.new_tenant(tenant_id, moment, key_service)
    async with office.store.tenant(tenant_id) as store:
        stored = await store.get(Tenant, ())
        if stored is not None:
            msg = erasure_of(stored) if stored.erased else f"there is a tenant {tenant!r} already"
            raise AlreadyExistsError(msg)
        await store.insert(record)
        await store.append([entry])
    await note_platform(office, "tenant.created", actor, tenant=tenant_id)
    return TenantAdmin(office, tenant_id, actor)


async def find_tenant(office: Office, tenant: str, actor: str) -> TenantAdmin:
    """The tenant of that id, also one that was erased, for its ledger.

    Raises:
        DoesNotExistError: there is none.
        InvalidValueError: not an id.
    """
    tenant_id = parse_tenant_id(tenant)
    async with office.store.reading(tenant_id) as store:
        await known_tenant(store, tenant_id)
    return TenantAdmin(office, tenant_id, actor)


async def find_ledger(office: Office, name: str) -> LedgerAdmin:
    """The ledger of a tenant, also of one that is gone, or that of the platform.

    Raises:
        DoesNotExistError: no store and no witness knows of such a chain.
        InvalidValueError: not an id.
    """
    owner = parse_tenant_id(name)
    found = LedgerAdmin(office, owner)
    if owner == chain.PLATFORM or await found.exists():
        return found
    msg = f"there is no tenant {name!r}, and no ledger of one that is gone"
    raise DoesNotExistError(msg)


async def ensure_tenant(office: Office, tenant: str, actor: str) -> TenantAdmin:
    """The tenant of that id, new where there was none.

    Raises:
        DoesNotExistError: it was erased.
        InvalidValueError: not an id, or not a label.
    """
    tenant_id = parse_tenant_id(tenant)
    async with office.store.reading(tenant_id) as store:
        is_there = await store.get(Tenant, ()) is not None
    if not is_there:
        try:
            return await create_tenant(office, tenant, actor)
        except AlreadyExistsError:
            # Somebody else was faster.
            pass
    async with office.store.reading(tenant_id) as store:
        await require_tenant(store, tenant_id)
    return TenantAdmin(office, tenant_id, actor)


async def find_project(office: Office, project: str, actor: str) -> ProjectAdmin:
    """The project of that public id, whosever it is.

    Raises:
        DoesNotExistError: there is none.
        InvalidValueError: not a project's id.
    """
    owner = await office.store.tenant_of(parse_project_id(project))
    if owner is None:
        msg = f"there is no project {project!r}"
        raise DoesNotExistError(msg)
    return await TenantAdmin(office, owner, actor).project(project)


async def list_tenants(office: Office) -> list[TenantId]:
    """The ids of all tenants, in order; those that were erased have a ledger still."""
    found: list[TenantId] = []
    while page := await office.store.tenants(found[-1] if found else "", _PAGE):
        found += page
    return found
