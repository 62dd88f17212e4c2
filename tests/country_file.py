"""A small file of countries, as a host has one, written by another program than the one that reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # what the writer takes

# By network, as files of several makers say it.
RECORDS: Mapping[str, Any] = {
    "203.0.113.0/24": {"country": {"iso_code": "DE", "names": {"en": "Germany"}}, "continent": {"code": "EU"}},
    "198.51.100.0/24": {"registered_country": {"iso_code": "FR"}},
    "100.64.0.0/16": {"country": "BR", "country_name": "Brazil"},
    "2a00:1000::/32": {"country_code": "SE"},
    "100.65.0.0/16": {"country": {"names": {"en": "nowhere"}}, "registered_country": {"iso_code": "pt"}},
    "100.66.0.0/16": {"autonomous_system_number": 64500},
    "100.67.0.0/16": "text",
}


def write_country_file(path: Path, records: Mapping[str, Any] = RECORDS, version: int = 6) -> Path:
    """An .mmdb file with what each network is said to be."""
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type="Test-Country")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path
