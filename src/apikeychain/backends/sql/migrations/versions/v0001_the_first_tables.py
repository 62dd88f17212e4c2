"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "v0001_the_first_tables"
down_revision = None

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables of records, the ledger, its heads, leases and changes."""
    _create_records("tenants", ())
    _create_records("project_names", ("name",), _of("tenants", "project_names", "tenant"))
    _create_records("projects", ("project",), _of("tenants", "projects", "tenant"), *_alone("project"))
    for name, *names in (
        ("origins", "origin"),
        ("providers", "name"),
        ("routes", "name"),
        ("project_keys", "version"),
        ("secrets", "name"),
        ("suspensions", "scope", "value"),
    ):
        _create_records(name, ("project", *names), _of("projects", name, "tenant", "project"))
    _create_chains()
    _create_marks()


def _create_records(name: str, names: tuple[str, ...], *constraints: sa.Constraint) -> None:
    op.create_table(
        name,
        *(sa.Column(column, _word, nullable=False) for column in ("tenant", *names)),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", *names, name=f"pk_{name}"),
        *constraints,
        schema=_SCHEMA,
    )


def _alone(column: str) -> tuple[sa.Constraint, ...]:
    """That no two projects of any tenants have the same id. PostgreSQL has an index for it."""
    if op.get_context().dialect.name == "sqlite":
        return (sa.UniqueConstraint(column, name=f"uq_projects_{column}"),)
    return ()


def _of(owner: str, name: str, *columns: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        columns,
        [f"{_SCHEMA}.{owner}.{column}" for column in columns],
        name=f"fk_{name}_{owner}",
        deferrable=True,
        initially="DEFERRED",
    )


def _create_chains() -> None:
    op.create_table(
        "ledger",
        sa.Column("tenant", _word, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        *(sa.Column(name, _word, nullable=False) for name in ("at", "kind", "actor")),
        sa.Column("project", _word),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("payload", "hash")),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_ledger"),
        schema=_SCHEMA,
    )
    op.create_table(
        "heads",
        sa.Column("tenant", _word, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_heads"),
        schema=_SCHEMA,
    )


def _create_marks() -> None:
    op.create_table(
        "leases",
        *(sa.Column(name, _word, nullable=False) for name in ("tenant", "name", "holder")),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_leases"),
        schema=_SCHEMA,
    )
    if op.get_context().dialect.name == "postgresql":
        # Changes are told by NOTIFY.
        op.create_index("uq_projects_project", "projects", ["project"], unique=True, schema=_SCHEMA)
        return
    op.create_table(
        "changes",
        *(sa.Column(name, _word, nullable=False) for name in ("tenant", "project")),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "project", name="pk_changes"),
        sa.UniqueConstraint("stamp", name="uq_changes_stamp"),
        schema=_SCHEMA,
    )
