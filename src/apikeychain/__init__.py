"""Let a browser use a third-party API without ever holding its key."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apikeychain import providers
    from apikeychain.errors import APIKeyChainError
    from apikeychain.keychain import APIKeyChain
    from apikeychain.middleware import APIKeyChainMiddleware
    from apikeychain.model.answer_transforms import DropFields, KeepFields, RenameField
    from apikeychain.model.network import Network
    from apikeychain.model.provider import (
        BasicCredential,
        HeaderCredential,
        OAuth2Credential,
        Provider,
        QueryCredential,
    )
    from apikeychain.model.request_transforms import (
        DefaultParameter,
        DropParameter,
        RenameParameter,
        SetParameter,
    )
    from apikeychain.model.route import (
        FormBody,
        FormParameter,
        HeaderParameter,
        JSONBody,
        JSONField,
        PathParameter,
        ProxyRoute,
        QueryParameter,
        RawBody,
        Timeouts,
    )
    from apikeychain.model.sanitizers import AcceptedCall, Sanitizer
    from apikeychain.model.signing_credentials import AWSCredential, HMACCredential
    from apikeychain.secret import Secret
    from apikeychain.settings import APIKeyChainSettings
    from apikeychain.tenants.configure import ProviderSecret
    from apikeychain.transport import SecureTransportMiddleware

__version__ = "0.1.0.dev0"

__all__ = [
    "APIKeyChain",
    "APIKeyChainError",
    "APIKeyChainMiddleware",
    "APIKeyChainSettings",
    "AWSCredential",
    "AcceptedCall",
    "BasicCredential",
    "DefaultParameter",
    "DropFields",
    "DropParameter",
    "FormBody",
    "FormParameter",
    "HMACCredential",
    "HeaderCredential",
    "HeaderParameter",
    "JSONBody",
    "JSONField",
    "KeepFields",
    "Network",
    "OAuth2Credential",
    "PathParameter",
    "Provider",
    "ProviderSecret",
    "ProxyRoute",
    "QueryCredential",
    "QueryParameter",
    "RawBody",
    "RenameField",
    "RenameParameter",
    "Sanitizer",
    "Secret",
    "SecureTransportMiddleware",
    "SetParameter",
    "Timeouts",
    "providers",
]

_ROOMS = {
    "APIKeyChain": "keychain",
    "APIKeyChainError": "errors",
    "APIKeyChainMiddleware": "middleware",
    "APIKeyChainSettings": "settings",
    "AWSCredential": "model.signing_credentials",
    "AcceptedCall": "model.sanitizers",
    "BasicCredential": "model.provider",
    "DefaultParameter": "model.request_transforms",
    "DropFields": "model.answer_transforms",
    "DropParameter": "model.request_transforms",
    "FormBody": "model.route",
    "FormParameter": "model.route",
    "HMACCredential": "model.signing_credentials",
    "HeaderCredential": "model.provider",
    "HeaderParameter": "model.route",
    "JSONBody": "model.route",
    "JSONField": "model.route",
    "KeepFields": "model.answer_transforms",
    "Network": "model.network",
    "OAuth2Credential": "model.provider",
    "PathParameter": "model.route",
    "Provider": "model.provider",
    "ProviderSecret": "tenants.configure",
    "ProxyRoute": "model.route",
    "QueryCredential": "model.provider",
    "QueryParameter": "model.route",
    "RawBody": "model.route",
    "RenameField": "model.answer_transforms",
    "RenameParameter": "model.request_transforms",
    "Sanitizer": "model.sanitizers",
    "Secret": "secret",
    "SecureTransportMiddleware": "transport",
    "SetParameter": "model.request_transforms",
    "Timeouts": "model.route",
}


def __getattr__(name: str) -> object:
    """A public name, loaded on first use (PEP 562), so that who wants one thing loads not all."""
    if name == "providers":
        return import_module(f"{__name__}.providers")
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
