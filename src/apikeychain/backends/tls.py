"""The TLS that a client speaks: verified, TLS 1.3 unless a provider's network says otherwise.

Source: contracts 4, "Connection"; RFC 8446; RFC 9325, 3.1.1 (TLS 1.2 is the lowest).
"""

import logging
import ssl
from pathlib import Path

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.network import Network

_log = logging.getLogger("apikeychain.egress")


def verified(authorities: Path | str | None) -> ssl.SSLContext:
    """TLS 1.3. Reads from disk (some 20 ms).

    Args:
        authorities: a file with those that a certificate may be from; None for those of the system.

    Raises:
        OSError: it cannot be read.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The default context takes SSLKEYLOGFILE of the environment: with these keys whoever listens reads every secret.
    context.keylog_filename = None  # type: ignore[assignment]  # None is how it is unset
    return context


def trusting(authorities: Path | str | None) -> ssl.SSLContext:
    """See `verified`.

    Raises:
        InvalidValueError: they cannot be read.
    """
    try:
        return verified(authorities)
    except OSError as fault:
        msg = f"the authorities in {str(authorities)!r} cannot be read: {type(fault).__name__}"
        raise InvalidValueError(msg) from None


def client_context(network: Network) -> ssl.SSLContext:
    """A context for `network`. Reads the authorities from disk (some 20 ms): call it in a thread, and keep it.

    Raises:
        UpstreamRefusedError: the trust file cannot be read.
    """
    context = _trusting(network.trust)
    if context is None:
        msg = "the authorities that this provider is trusted by cannot be read"
        raise UpstreamRefusedError(msg)
    if network.minimum_tls == "1.2":
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting(path: str | None) -> ssl.SSLContext | None:
    try:
        return verified(path)
    except OSError as error:
        _log.error("the authorities of %s cannot be read: %s", path, type(error).__name__)
        return None
