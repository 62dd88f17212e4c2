"""The watch: what projects want of it, what it remembers, what workers counted, smaller quotas, and findings."""

import sqlalchemy as sa
from alembic import op

revision = "v0006_watch"
down_revision = "v0005_rotation"

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TABLES = {
    "watch_policies": (),
    "watch_memories": (),
    "counted_windows": ("begun", "worker"),
    "tightened_quotas": ("scope", "value"),
    "findings": ("id",),
}


def upgrade() -> None:
    """Create their tables."""
    for name, names in _TABLES.items():
        op.create_table(
            name,
            *(sa.Column(column, _word, nullable=False) for column in ("tenant", "project", *names)),
            sa.Column("generation", sa.BigInteger, nullable=False),
            sa.Column("body", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("tenant", "project", *names, name=f"pk_{name}"),
            sa.ForeignKeyConstraint(
                ["tenant", "project"],
                [f"{_SCHEMA}.projects.tenant", f"{_SCHEMA}.projects.project"],
                name=f"fk_{name}_projects",
                deferrable=True,
                initially="DEFERRED",
            ),
            schema=_SCHEMA,
        )
