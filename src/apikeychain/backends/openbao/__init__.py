"""The transit engine of OpenBao or HashiCorp Vault as a key service.

Files: `place` (where it is, and what is refused of it), `wire` (one request), `tokens` (who we are
there), `line` (asking again, and waiting), `key_service` (the port).
"""

from apikeychain.backends.openbao.key_service import OpenBaoKeyService
from apikeychain.backends.openbao.tokens import AppRole, Token

__all__ = ["AppRole", "OpenBaoKeyService", "Token"]
