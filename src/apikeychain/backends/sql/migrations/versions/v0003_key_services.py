"""Key services side by side: a tenant's row names its own.

The tables stay as they are, and rows without a name keep the default. A version of its own keeps an older apikeychain
from taking a row that names one for damaged.
"""

revision = "v0003_key_services"
down_revision = "v0002_signing_keys"


def upgrade() -> None:
    """Nothing in the tables changes."""
