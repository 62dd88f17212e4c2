"""All records of a kind, whatever the length of a page.

Source: `apikeychain.ports.store` T2.
"""

from typing import TypeVar

from apikeychain.model.records import Key, Record
from apikeychain.ports.store import TenantReader

R = TypeVar("R", bound=Record)
_PAGE = 500


async def every(reader: TenantReader, kind: type[R], *begin: str) -> list[R]:
    """All of a kind whose keys begin so, in the order of their keys.

    Args:
        reader: of their tenant.
        kind: of the records.
        begin: the first parts of the key: a project's id for what the project has; none for all of the tenant.

    Raises:
        DamagedDataError: one of them is stored and cannot be read.
    """
    found: list[R] = []
    after: Key = begin
    while page := await reader.list(kind, after, _PAGE):
        own = [record for record in page if record.key[: len(begin)] == begin]
        found += own
        if len(own) < _PAGE:
            break
        after = own[-1].key
    return found
