"""What the parts of a running demo know of each other."""

from dataclasses import dataclass
from pathlib import Path

from apikeychain.cli.demo.weather import WeatherProvider
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running demo.

    Attributes:
        directory: the data directory.
        api: where the host application is, ``http://127.0.0.1:8000``.
        own: the allowed origin.
        foreign: the origin that is not on the list.
    """

    directory: Path
    weather: WeatherProvider
    tenant: TenantAdmin
    project: ProjectAdmin
    api: str
    own: str
    foreign: str
