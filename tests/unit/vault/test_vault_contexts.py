"""Whom each key and value serves, field by field."""

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import KeyContext, SealContext
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.vault import contexts

TENANT, PROJECT, VERSION = TenantId("acme"), ProjectId("p_abcdefghijklmnopqrst"), "ab" * 16


def test_a_tenants_keys_name_the_tenant_and_what_they_are_for() -> None:
    assert contexts.of_tenant_secret(TENANT) == KeyContext(tenant="acme", purpose="tenant-secret")
    assert contexts.of_tenant_secret(TENANT, 1) == contexts.of_tenant_secret(TENANT)
    assert contexts.of_tenant_secret(TENANT, 2) == KeyContext(tenant="acme", purpose="tenant-secret", version="2")
    assert contexts.of_pseudonym_key(TENANT) == KeyContext(tenant="acme", purpose="pseudonym")
    assert contexts.of_checkpoint_key("0001") == KeyContext(tenant="platform", purpose="checkpoint", version="0001")


def test_a_projects_keys_name_tenant_project_purpose_and_version() -> None:
    made = {
        "master": contexts.of_master_key(TENANT, PROJECT, VERSION),
        "derived": contexts.of_derived_key(TENANT, PROJECT, VERSION),
        "metadata": contexts.of_metadata(TENANT, PROJECT, VERSION),
    }
    for purpose, context in made.items():
        assert context == KeyContext(tenant="acme", project=PROJECT, purpose=purpose, version=VERSION)


def test_a_secret_names_its_row_and_the_address_of_its_provider() -> None:
    provider = Provider("weather", "https://api.weather.example:8443/v2", HeaderCredential("X-Key"))
    assert contexts.of_secret(TENANT, PROJECT, provider, "main", 3) == SealContext(
        tenant="acme",
        project=PROJECT,
        purpose="secret",
        name="main",
        version=3,
        scheme="https",
        host="api.weather.example",
        port=8443,
    )


def test_a_signing_key_names_its_id_and_a_fingerprint_key_nothing_but_the_project() -> None:
    assert contexts.of_signing_key(TENANT, PROJECT, "k_one") == SealContext(
        tenant="acme", project=PROJECT, purpose="signing-key", name="k_one"
    )
    assert contexts.of_fingerprint_key(TENANT, PROJECT) == SealContext(
        tenant="acme", project=PROJECT, purpose="fingerprint"
    )


def test_no_two_uses_share_a_context() -> None:
    provider = Provider("weather", "https://api.weather.example", HeaderCredential("X-Key"))
    values = [
        contexts.of_secret(TENANT, PROJECT, provider, "k_one", 1),
        contexts.of_signing_key(TENANT, PROJECT, "k_one"),
        contexts.of_fingerprint_key(TENANT, PROJECT),
    ]
    keys = [
        contexts.of_tenant_secret(TENANT),
        contexts.of_pseudonym_key(TENANT),
        contexts.of_master_key(TENANT, PROJECT, VERSION),
        contexts.of_derived_key(TENANT, PROJECT, VERSION),
        contexts.of_metadata(TENANT, PROJECT, VERSION),
    ]
    assert len({context.encoded for context in values}) == 3
    assert len({context.encoded for context in keys}) == 5
