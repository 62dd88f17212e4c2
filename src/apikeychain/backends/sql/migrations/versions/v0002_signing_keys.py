"""Signing keys."""

import sqlalchemy as sa
from alembic import op

revision = "v0002_signing_keys"
down_revision = "v0001_the_first_tables"

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table of signing keys."""
    op.create_table(
        "signing_keys",
        *(sa.Column(column, _word, nullable=False) for column in ("tenant", "project", "id")),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "project", "id", name="pk_signing_keys"),
        sa.ForeignKeyConstraint(
            ["tenant", "project"],
            [f"{_SCHEMA}.projects.tenant", f"{_SCHEMA}.projects.project"],
            name="fk_signing_keys_projects",
            deferrable=True,
            initially="DEFERRED",
        ),
        schema=_SCHEMA,
    )
