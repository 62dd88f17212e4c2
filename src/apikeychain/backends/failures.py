"""What is raised where a call to a provider fails: never what its client raised, which may hold a URL with a secret."""

from apikeychain.backends.upload import Upload
from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError


def refused(host: str, reason: str) -> UpstreamRefusedError:
    """For an exchange with `host` that is not to be had."""
    return UpstreamRefusedError(f"{host}: {reason}")


def too_late(host: str) -> UpstreamTimeoutError:
    """For what took too long."""
    return UpstreamTimeoutError(f"{host} took too long")


def told(
    error: Exception, host: str, upload: Upload | None, late: tuple[type[Exception], ...] = (TimeoutError,)
) -> Exception:
    """For `error`. Raise it outside of the ``except``, or the client's exception is its context.

    Args:
        error: what a client raised.
        host: of the provider.
        upload: the body; what its source raised is raised unchanged.
        late: the classes for what took too long.
    """
    if upload is not None and upload.failure is not None:
        return upload.failure
    if isinstance(error, UpstreamRefusedError):
        return UpstreamRefusedError(error.hint)
    return too_late(host) if isinstance(error, late) else refused(host, "the exchange with it broke")
