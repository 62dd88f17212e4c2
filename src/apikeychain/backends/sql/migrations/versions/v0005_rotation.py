"""Keys that turn: rotations, keys at providers, cryptoperiods, alerts to be sent, and what is to be looked at.

The rows of tenants, of projects' keys and of signing keys may say more than before. The version keeps an older
apikeychain from taking that for damaged.
"""

import sqlalchemy as sa
from alembic import op

revision = "v0005_rotation"
down_revision = "v0004_checkpoints"

_SCHEMA = "apikeychain"
_word = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_OF_PROJECTS = {"rotations": ("project", "secret"), "provider_keys": ("project", "secret", "number")}
_OF_CHAINS = {"alerts": ("id",), "errands": ("topic", "owner", "subject"), "cryptoperiods": ("name",)}


def upgrade() -> None:
    """Create their tables."""
    for name, names in {**_OF_PROJECTS, **_OF_CHAINS}.items():
        owner = [
            sa.ForeignKeyConstraint(
                ["tenant", "project"],
                [f"{_SCHEMA}.projects.tenant", f"{_SCHEMA}.projects.project"],
                name=f"fk_{name}_projects",
                deferrable=True,
                initially="DEFERRED",
            )
        ]
        op.create_table(
            name,
            *(sa.Column(column, _word, nullable=False) for column in ("tenant", *names)),
            sa.Column("generation", sa.BigInteger, nullable=False),
            sa.Column("body", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("tenant", *names, name=f"pk_{name}"),
            *(owner if name in _OF_PROJECTS else ()),
            schema=_SCHEMA,
        )
