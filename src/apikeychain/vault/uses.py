"""How many values a project key sealed: counted in the transaction that stores them.

Source: contracts 5, "Rotation".
"""

from dataclasses import replace

from apikeychain.model.records import ProjectKey
from apikeychain.ports.store import TenantStore


def without_uses(key: ProjectKey) -> ProjectKey:
    """The key as it was made: what tells whether it is the same one still."""
    return replace(key, uses=0, generation=1)


async def count_uses(records: TenantStore, key: ProjectKey, values: int = 1) -> None:
    """Note that a key sealed values, in the transaction that stores these.

    Args:
        records: the transaction.
        key: as it was read in it.
        values: how many.

    Raises:
        ConflictError: the key changed meanwhile, or is gone.
    """
    await records.replace(replace(key, uses=key.uses + values, generation=key.generation + 1), key.generation)
