"""The TLS that a client speaks to one provider: verified, TLS 1.3 unless its network says otherwise.

Source: contracts 4, "Connection"; RFC 8446; RFC 9325, 3.1.1 (TLS 1.2 is the lowest).
"""

import logging
import ssl

from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.network import Network

_log = logging.getLogger("apikeychain.egress")


def client_context(network: Network) -> ssl.SSLContext:
    """A context for `network`. Reads the authorities from disk (some 20 ms): call it in a thread, and keep it.

    Raises:
        UpstreamRefusedError: the trust file cannot be read.
    """
    context = _trusting(network.trust)
    if context is None:
        msg = "the authorities that this provider is trusted by cannot be read"
        raise UpstreamRefusedError(msg)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if network.minimum_tls == "1.2" else ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # The default context takes SSLKEYLOGFILE of the environment: with these keys whoever listens reads every secret.
    context.keylog_filename = None  # type: ignore[assignment]  # None is how it is unset
    return context


def _trusting(path: str | None) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        _log.error("the authorities of %s cannot be read: %s", path, type(error).__name__)
        return None
