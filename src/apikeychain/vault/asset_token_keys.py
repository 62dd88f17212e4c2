"""The key of a project's asset tokens outlives the version of the project's key that it came from, for a day.

A token is good for 24 hours at most, and whoever made one knows nothing of a turn.

Source: contracts 9; amendment 8.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from apikeychain.model.asset import AssetTokenKey
from apikeychain.model.records import ProjectKey
from apikeychain.primitives import seal_value
from apikeychain.vault import contexts
from apikeychain.vault.derivation import own_key
from apikeychain.vault.resealing import Resealing

KEPT = timedelta(hours=24)


def kept_token_key(resealing: Resealing, old: ProjectKey, moment: datetime) -> AssetTokenKey:
    """The token key of the version that sealed until now, as it is kept.

    Args:
        resealing: what brings the project under its next key.
        old: the version that goes.
        moment: now.
    """
    tenant, key = resealing.project.tenant, resealing.key
    value = own_key(resealing.opened[old.version], contexts.of_asset_token_key(tenant, old.project)).hex()
    bare = AssetTokenKey(project=old.project, version=old.version, sealed=b"", until=moment + KEPT)
    context = contexts.of_old_asset_token_key(tenant, bare).encoded
    return replace(bare, sealed=seal_value(resealing.derived, bytes.fromhex(key.version), value.encode(), context))
