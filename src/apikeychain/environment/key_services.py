"""Which key services were chosen: the default, and further ones by name.

The variables of a further one are those of the default behind its name, so that both are read by one function.

Source: contracts 5 (custody), 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apikeychain.environment.variables import KEY_PLUGS, Variables, begin_of

# The variable that says where the platform key is, the first of those of each kind.
KEY_HEADS = ("OPENBAO_ADDRESS", "AWS_REGION", "KEY_FILE")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenBao:
    """A key service in OpenBao.

    Attributes:
        role_id, secret_id_file: of an AppRole.
        token_file: instead of them.
    """

    address: str
    role_id: str
    secret_id_file: Path | None
    token_file: Path | None
    key: str
    mount: str
    namespace: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AWS:
    """A key service in AWS KMS.

    Attributes:
        profile, endpoint_url: or None, where nothing is said of them.
    """

    region: str
    name: str
    profile: str | None
    endpoint_url: str | None
    ca_file: Path | None


# A path is that of a key file.
KeyPlace = Path | OpenBao | AWS


def choose_key_service(variables: Variables) -> KeyPlace | None:
    """Where the platform key is; None where nothing says so. What is wrong is noted in `variables`."""
    heads = [head for head in KEY_HEADS if variables.has(head)]
    for head in heads[1:]:
        variables.problem(head, f"say one of it and {variables.named(heads[0])}")
    for name in KEY_PLUGS:
        head = next(head for head in KEY_HEADS if head.partition("_")[0] == name.partition("_")[0])
        if variables.has(name) and head not in heads:
            variables.problem(name, f"it needs {variables.named(head)}")
    if variables.has("OPENBAO_ADDRESS"):
        return _openbao(variables)
    if variables.has("AWS_REGION"):
        return _aws(variables)
    return variables.file("KEY_FILE")


def choose_key_services(variables: Variables) -> Mapping[str, KeyPlace]:
    """The further ones, by name. What is wrong is noted in `variables`."""
    chosen: dict[str, KeyPlace] = {}
    for number, name in enumerate(variables.key_services, 1):
        its = variables.behind(begin_of(name))
        if not any(map(its.has, KEY_HEADS)):
            wanted = f"behind {variables.named('KEY_SERVICE_')} and the name of entry {number} in capital letters"
            variables.problem("KEY_SERVICES", f"set KEY_FILE, OPENBAO_ADDRESS or AWS_REGION {wanted}")
        elif place := choose_key_service(its):
            chosen[name] = place
    return chosen


def _openbao(variables: Variables) -> OpenBao:
    names = ("OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID_FILE", "OPENBAO_TOKEN_FILE")
    if tuple(map(variables.has, names)) not in {(True, True, False), (False, False, True)}:
        variables.problem("OPENBAO_ADDRESS", f"who logs in there? Set {names[0]} and {names[1]}, or {names[2]} alone")
    return OpenBao(
        address=variables.text("OPENBAO_ADDRESS"),
        role_id=variables.text("OPENBAO_ROLE_ID"),
        secret_id_file=variables.file("OPENBAO_SECRET_ID_FILE"),
        token_file=variables.file("OPENBAO_TOKEN_FILE"),
        key=variables.text("OPENBAO_KEY", "apikeychain"),
        mount=variables.text("OPENBAO_MOUNT", "transit"),
        namespace=variables.text("OPENBAO_NAMESPACE"),
        ca_file=variables.authorities("OPENBAO_CA_FILE"),
    )


def _aws(variables: Variables) -> AWS:
    return AWS(
        region=variables.text("AWS_REGION"),
        name=variables.text("AWS_NAME", "apikeychain"),
        profile=variables.text("AWS_PROFILE") or None,
        endpoint_url=variables.text("AWS_ENDPOINT_URL") or None,
        ca_file=variables.authorities("AWS_CA_FILE"),
    )
