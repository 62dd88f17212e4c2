"""The end of every version of the platform key but the newest."""

from apikeychain.keychain import APIKeyChain
from apikeychain.model.ledger import timestamp


async def retire_older(keychain: APIKeyChain, newest: int, key_service: str, actor: str) -> str:
    """From when on no version before `newest` opens anything; only after everything was wrapped anew."""
    older = range(1, newest)
    ends = [await keychain.retire_platform_key(old, key_service=key_service, actor=actor) for old in older]
    return timestamp(max(ends))
