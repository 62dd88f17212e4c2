"""Walls that were changed in place: the start refuses them, and a migration puts them up again."""

from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.sql import SQLStore, migrate_postgres
from apikeychain.backends.sql.engine import Whole
from apikeychain.backends.sql.postgres.engine import postgres_engine
from apikeychain.backends.sql.postgres.inspection import of_walls
from apikeychain.backends.sql.postgres.roles import APPLICATION
from apikeychain.errors import SettingsError
from served_postgres import Database

_MINE = "tenant = nullif(current_setting('apikeychain.tenant', true), '')"
_LIST = "after text, at_most integer"
_BODY = "SELECT tenant FROM apikeychain.tenants"
_FUNCTION = "CREATE OR REPLACE FUNCTION apikeychain.tenants_after(after text, at_most integer) RETURNS SETOF text"
_DROPS = "CREATE OR REPLACE FUNCTION apikeychain.drop_bodies(first bigint, last bigint) RETURNS void"
_FIXED = "SET search_path = pg_catalog, pg_temp"


async def problems(database: Database) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        async with SQLStore.postgres(database.url):
            pass
    return caught.value.problems


async def require_mended(database: Database) -> None:
    await migrate_postgres(database.admin_url)
    async with SQLStore.postgres(database.url):
        pass


@pytest.fixture
async def gone_stranger(database: Database) -> AsyncGenerator[str, None]:
    """The name of a role that the test makes in the server, and that is gone afterwards."""
    yield "stranger"
    database.execute("DROP OWNED BY stranger; DROP ROLE stranger")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("secrets", "ALTER POLICY tenant ON apikeychain.secrets USING (true)"),
        ("secrets", "ALTER POLICY tenant ON apikeychain.secrets USING (true) WITH CHECK (true)"),
        ("secrets", f"ALTER POLICY tenant ON apikeychain.secrets USING ({_MINE} OR tenant = 'acme')"),
        ("routes", "ALTER POLICY tenant ON apikeychain.routes WITH CHECK (true)"),
        ("routes", "ALTER POLICY tenant ON apikeychain.routes TO apikeychain_app"),
        ("tenants", "ALTER POLICY look_up ON apikeychain.tenants TO PUBLIC"),
        ("tenants", "ALTER POLICY look_up ON apikeychain.tenants USING (true)"),
        ("ledger", "ALTER POLICY tenants ON apikeychain.ledger USING (tenant <> '')"),
        ("heads", "DROP POLICY tenants ON apikeychain.heads"),
        ("keep", "CREATE POLICY tenants ON apikeychain.leases USING (true)"),
        ("apikeychain_version", "ALTER POLICY owner ON apikeychain.apikeychain_version TO PUBLIC"),
        (
            "origins",
            (
                f"DROP POLICY tenant ON apikeychain.origins; CREATE POLICY tenant ON apikeychain.origins "
                f"FOR SELECT USING ({_MINE})"
            ),
        ),
        (
            "origins",
            (
                f"DROP POLICY tenant ON apikeychain.origins; CREATE POLICY tenant ON apikeychain.origins "
                f"AS RESTRICTIVE USING ({_MINE}); CREATE POLICY wide ON apikeychain.origins USING (true)"
            ),
        ),
        (
            "origins",
            (
                f"DROP POLICY tenant ON apikeychain.origins; CREATE POLICY tenant ON apikeychain.origins "
                f"FOR ALL USING ({_MINE}) WITH CHECK (true)"
            ),
        ),
    ],
)
async def test_a_policy_that_says_something_else_is_refused_and_mended(
    database: Database, table: str, change: str
) -> None:
    database.execute(change)
    name = "leases" if table == "keep" else table
    assert await problems(database) == (
        f"the table {name} has not the policies that it was made with: run `apikeychain migrate`",
    )
    await require_mended(database)


async def test_a_policy_whose_words_are_somebody_elses_is_refused(database: Database) -> None:
    """It reads the same where somebody's schema comes first."""
    database.execute(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS "
        "$$ SELECT 'acme' $$; SET search_path = evil, pg_catalog; "
        f"ALTER POLICY tenant ON apikeychain.secrets USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    (problem,) = await problems(database)
    assert "secrets has not the policies" in problem
    await require_mended(database)


async def test_a_policy_that_takes_more_away_is_the_operators_own(database: Database) -> None:
    database.execute("CREATE POLICY less ON apikeychain.secrets AS RESTRICTIVE USING (tenant <> 'closed')")
    async with SQLStore.postgres(database.url):
        pass


@pytest.mark.parametrize(
    "change",
    [
        f"{_FUNCTION} LANGUAGE sql STABLE SECURITY DEFINER {_FIXED} AS $$ {_BODY} $$",
        "ALTER FUNCTION apikeychain.tenants_after RESET search_path",
        "ALTER FUNCTION apikeychain.tenants_after SET search_path = public, pg_catalog",
        "ALTER FUNCTION apikeychain.tenants_after SET row_security = off",
        "ALTER FUNCTION apikeychain.tenants_after SECURITY INVOKER",
        "ALTER FUNCTION apikeychain.tenants_after VOLATILE",
        "GRANT EXECUTE ON FUNCTION apikeychain.tenants_after TO PUBLIC",
        "DROP FUNCTION apikeychain.tenants_after",
    ],
)
async def test_a_function_that_is_another_one_is_refused_and_mended(database: Database, change: str) -> None:
    database.execute(change)
    assert await problems(database) == (
        f"the function tenants_after({_LIST}) is not as it was made: run `apikeychain migrate`",
    )
    await require_mended(database)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER FUNCTION apikeychain.drop_bodies STABLE",
        "ALTER FUNCTION apikeychain.drop_bodies SECURITY INVOKER",
        f"{_DROPS} LANGUAGE sql SECURITY DEFINER {_FIXED} AS $$ DELETE FROM apikeychain.ledger $$",  # noqa: S608  # constants
        "DROP FUNCTION apikeychain.drop_bodies",
    ],
)
async def test_the_function_that_drops_is_looked_at_as_well(database: Database, change: str) -> None:
    database.execute(change)
    assert await problems(database) == (
        "the function drop_bodies(first bigint, last bigint) is not as it was made: run `apikeychain migrate`",
    )
    await require_mended(database)


async def test_a_function_of_somebody_else_is_refused(database: Database) -> None:
    database.execute("ALTER FUNCTION apikeychain.tenants_after OWNER TO postgres")
    (problem,) = await problems(database)
    assert "tenants_after" in problem
    database.execute("ALTER FUNCTION apikeychain.tenants_after OWNER TO apikeychain_owner")
    await require_mended(database)


async def test_a_function_that_may_not_be_called_is_refused_and_mended(database: Database) -> None:
    database.execute(f"REVOKE EXECUTE ON FUNCTION apikeychain.tenants_after FROM {APPLICATION}")
    (problem,) = await problems(database)
    assert problem.startswith(f"the function tenants_after({_LIST}) may not be called")
    await require_mended(database)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("GRANT DELETE ON apikeychain.ledger TO apikeychain_app", "web may DELETE on the table ledger"),
        ("GRANT UPDATE ON apikeychain.ledger TO PUBLIC", "web may UPDATE on the table ledger"),
        ("GRANT UPDATE (tenant) ON apikeychain.secrets TO apikeychain_app", "web may UPDATE on the table secrets"),
        (
            "GRANT INSERT ON apikeychain.apikeychain_version TO PUBLIC",
            "web may INSERT on the table apikeychain_version",
        ),
        ("GRANT REFERENCES (seq) ON apikeychain.ledger TO PUBLIC", "web may REFERENCES on the table ledger"),
        ("REVOKE SELECT ON apikeychain.leases FROM apikeychain_app", "web may not SELECT on the table leases"),
        ("REVOKE INSERT ON apikeychain.ledger FROM apikeychain_app", "web may not INSERT on the table ledger"),
        ("REVOKE UPDATE (size) ON apikeychain.heads FROM apikeychain_app", "web may not UPDATE on the table heads"),
        ("GRANT CREATE ON SCHEMA apikeychain TO PUBLIC", "web may create things in the schema apikeychain"),
    ],
)
async def test_a_right_that_is_more_or_less_is_refused_and_mended(database: Database, change: str, told: str) -> None:
    database.execute(change)
    (problem,) = await problems(database)
    assert problem.startswith(told)
    await require_mended(database)


async def test_a_right_of_a_role_that_it_could_become_counts(database: Database, gone_stranger: str) -> None:
    database.execute(
        f"CREATE ROLE {gone_stranger}; GRANT {gone_stranger} TO web WITH INHERIT FALSE; "
        f"GRANT DELETE, UPDATE (hash) ON apikeychain.ledger TO {gone_stranger}; "
        f"GRANT USAGE, CREATE ON SCHEMA apikeychain TO {gone_stranger}"
    )
    rights, creation = await problems(database)
    assert rights.startswith("web may DELETE, UPDATE on the table ledger")
    assert creation.startswith("web may create things")


@pytest.mark.parametrize(
    ("change", "thing"),
    [
        ("CREATE TABLE apikeychain.notes (tenant text)", "table notes"),
        ("CREATE VIEW apikeychain.all_secrets AS SELECT * FROM apikeychain.secrets", "table all_secrets"),
        (
            (
                "CREATE FUNCTION apikeychain.peep() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS "
                "'SELECT count(*) FROM apikeychain.secrets'"
            ),
            "function peep()",
        ),
    ],
)
async def test_what_the_migrations_did_not_make_has_no_place_in_the_schema(
    database: Database, change: str, thing: str
) -> None:
    database.execute(change)
    assert await problems(database) == (
        f"the {thing} in the schema apikeychain was not made by apikeychain: move it elsewhere",
    )


@pytest.mark.parametrize(
    "view",
    [
        "VIEW public.all_secrets AS SELECT * FROM apikeychain.secrets",
        "VIEW public.all_secrets WITH (security_invoker = off) AS SELECT * FROM apikeychain.secrets",
        "MATERIALIZED VIEW public.all_secrets AS SELECT * FROM apikeychain.secrets",
    ],
)
async def test_a_view_that_shows_more_is_refused(database: Database, view: str) -> None:
    database.execute(f"CREATE {view}; GRANT SELECT ON public.all_secrets TO apikeychain_app")
    assert await problems(database) == (
        "public.all_secrets gives web what its owner may do in apikeychain: drop it, or take it from web",
    )


async def test_a_view_upon_a_view_is_refused(database: Database) -> None:
    database.execute(
        "CREATE VIEW public.inner_view WITH (security_invoker) AS SELECT * FROM apikeychain.secrets; "
        "CREATE VIEW public.outer_view AS SELECT tenant FROM public.inner_view; "
        "GRANT SELECT (tenant) ON public.outer_view TO web"
    )
    (problem,) = await problems(database)
    assert "public.outer_view" in problem


async def test_a_view_upon_what_a_role_between_may_see_is_refused(database: Database, gone_stranger: str) -> None:
    database.execute("CREATE VIEW public.inner_view AS SELECT tenant FROM apikeychain.secrets")
    database.execute("CREATE VIEW public.outer_view AS SELECT tenant FROM public.inner_view")
    database.execute(
        f"CREATE ROLE {gone_stranger}; GRANT SELECT ON public.inner_view TO {gone_stranger}; "
        f"ALTER VIEW public.outer_view OWNER TO {gone_stranger}; GRANT SELECT ON public.outer_view TO web"
    )
    (problem,) = await problems(database)
    assert "public.outer_view gives web" in problem


@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE"])
async def test_a_view_that_is_only_written_to_is_refused(database: Database, right: str) -> None:
    database.execute("CREATE VIEW public.v AS SELECT * FROM apikeychain.secrets")
    database.execute(f"GRANT {right} ON public.v TO web")
    (problem,) = await problems(database)
    assert "public.v gives web" in problem


async def test_a_view_of_a_member_of_the_owner_is_refused(database: Database, gone_stranger: str) -> None:
    database.execute("CREATE VIEW public.v AS SELECT * FROM apikeychain.tenants")
    database.execute(
        f"CREATE ROLE {gone_stranger} IN ROLE apikeychain_owner; "
        f"ALTER VIEW public.v OWNER TO {gone_stranger}; GRANT SELECT ON public.v TO web"
    )
    (problem,) = await problems(database)
    assert "public.v gives web" in problem


async def test_a_rule_of_a_table_elsewhere_is_refused(database: Database) -> None:
    database.execute(
        "CREATE TABLE public.notes (tenant text); CREATE TABLE public.copies (tenant text); "
        "GRANT INSERT ON public.notes TO web; CREATE RULE copy AS ON INSERT TO public.notes "
        "DO ALSO INSERT INTO public.copies SELECT tenant FROM apikeychain.secrets"
    )
    (problem,) = await problems(database)
    assert "public.notes gives web" in problem


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER mine BEFORE INSERT ON apikeychain.ledger EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE nothing AS ON DELETE TO apikeychain.ledger DO INSTEAD NOTHING",
        "CREATE TABLE public.child () INHERITS (apikeychain.ledger)",
    ],
)
async def test_what_was_put_on_a_table_is_refused_and_not_taken_away(database: Database, change: str) -> None:
    database.execute(change)
    told = ("the table ledger has a trigger, a rule or a partition that no migration made: drop it",)
    assert await problems(database) == told
    with pytest.raises(SettingsError) as caught:
        await migrate_postgres(database.admin_url)
    assert caught.value.problems == told


async def test_a_policy_for_a_role_of_the_operators_is_let_be(database: Database, gone_stranger: str) -> None:
    database.execute(
        f"CREATE ROLE {gone_stranger}; GRANT SELECT ON apikeychain.ledger TO {gone_stranger}; "
        f"CREATE POLICY report ON apikeychain.ledger FOR SELECT TO {gone_stranger} USING (true); "
        "ALTER POLICY tenant ON apikeychain.secrets USING (true)"
    )
    await require_mended(database)
    kept = "SELECT count(*) FROM pg_policies WHERE policyname = 'report'"
    assert database.execute(kept) == "1"


async def test_a_policy_for_a_role_that_the_worker_could_become_is_refused(
    database: Database, gone_stranger: str
) -> None:
    database.execute(
        f"CREATE ROLE {gone_stranger}; GRANT {gone_stranger} TO web; "
        f"CREATE POLICY wide ON apikeychain.ledger TO {gone_stranger} USING (true)"
    )
    (problem,) = await problems(database)
    assert "ledger has not the policies" in problem


async def test_how_a_server_quotes_makes_no_difference(database: Database) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET quote_all_identifiers = on")
    async with SQLStore.postgres(database.url):
        pass


@pytest.mark.parametrize(
    "views",
    [
        (
            "CREATE VIEW public.mine WITH (security_invoker) AS SELECT * FROM apikeychain.secrets; "
            "GRANT SELECT ON public.mine TO web"
        ),
        "CREATE VIEW public.operators AS SELECT * FROM apikeychain.secrets",
        (
            "CREATE SCHEMA closed; CREATE VIEW closed.all_secrets AS SELECT * FROM apikeychain.secrets; "
            "GRANT SELECT ON closed.all_secrets TO PUBLIC"
        ),
    ],
)
async def test_a_view_that_shows_no_more_is_let_be(database: Database, views: str) -> None:
    database.execute(views)
    async with SQLStore.postgres(database.url):
        pass


async def test_what_a_migration_made_has_no_fault(database: Database) -> None:
    engine = postgres_engine(database.admin_url)
    async with engine.connect() as connection:
        assert await of_walls(Whole(connection), APPLICATION) == []
    await engine.dispose()
