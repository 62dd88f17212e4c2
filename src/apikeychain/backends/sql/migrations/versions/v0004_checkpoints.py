"""Checkpoints and their keys, and what a worker that ends uncleanly may lose; tenants that were erased.

A tenant's row may say when it was erased. The version keeps an older apikeychain from taking that for damaged.
"""

import sqlalchemy as sa
from alembic import op

revision = "v0004_checkpoints"
down_revision = "v0003_key_services"

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_NAMES = {"checkpoint_keys": ("id",), "checkpoints": (), "workers": ("id",), "open_entries": ("worker", "owner")}


def upgrade() -> None:
    """Create their tables."""
    for name, names in _NAMES.items():
        op.create_table(
            name,
            *(sa.Column(column, _word, nullable=False) for column in ("tenant", *names)),
            sa.Column("generation", sa.BigInteger, nullable=False),
            sa.Column("body", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("tenant", *names, name=f"pk_{name}"),
            schema=_SCHEMA,
        )
