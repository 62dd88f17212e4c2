"""Assets: what is served, its versions, objects that belong to none, and keys of tokens from before a turn."""

import sqlalchemy as sa
from alembic import op

revision = "v0007_assets"
down_revision = "v0006_watch"

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TABLES = {
    "assets": ("path",),
    "asset_versions": ("path", "number"),
    "loose_objects": ("object",),
    "asset_token_keys": ("version",),
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
