"""The two pages of the demo, each on an origin of its own: one that is on the project's list, one that is not."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from apikeychain.cli.demo import ledger
from apikeychain.cli.demo.house import House

_FILES = Path(__file__).parent / "static"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}


def own_page(house: House) -> Starlette:
    """The page on the allowed origin, and what stands beside its calls: the provider's notes and the ledger."""
    headers = _headers(house.api, frames=house.foreign, embedded_by="'none'")

    async def seen(_: Request) -> Response:
        notes = {"calls": house.weather.calls, "notes": house.weather.notes()}
        return JSONResponse(notes | {"ledger": await ledger.newest(house)}, headers=headers)

    async def tampered(_: Request) -> Response:
        seq = await ledger.middle(house)
        return JSONResponse(
            {"seq": seq, "verdict": str(await ledger.verdict_on_tampered_copy(house, seq))},
            headers=headers,
        )

    files = {"/": "own.html", "/own.js": "own.js", "/shared.js": "shared.js", "/style.css": "style.css"}
    return Starlette(
        routes=[
            *_files(files, headers),
            _addresses(house, headers),
            Route("/seen.json", seen),
            Route("/tampered.json", tampered, methods=["POST"]),
        ],
    )


def foreign_page(house: House) -> Starlette:
    """The page on an origin that is not on the list; the other one shows it in a frame."""
    headers = _headers(house.api, frames="'none'", embedded_by=house.own)
    files = {"/": "foreign.html", "/foreign.js": "foreign.js", "/shared.js": "shared.js", "/style.css": "style.css"}
    return Starlette(routes=[*_files(files, headers), _addresses(house, headers)])


def _headers(api: str, *, frames: str, embedded_by: str) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {api}",
        "frame-src": frames,
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": embedded_by,
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _files(files: dict[str, str], headers: dict[str, str]) -> list[Route]:
    return [_file(path, _FILES / name, headers) for path, name in files.items()]


def _file(path: str, file: Path, headers: dict[str, str]) -> Route:
    async def sent(_: Request) -> Response:
        return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)

    return Route(path, sent)


def _addresses(house: House, headers: dict[str, str]) -> Route:
    """What a page must know to call: addresses only."""
    paths = {name: house.api + house.project.url(name) for name in ("weather", "forecast", "echo", "limited")}
    provider = house.weather.provider.base_url
    addresses = {
        "own": house.own,
        "foreign": house.foreign,
        "provider": provider,
        "routes": paths,
        "allow": f"apikeychain --development --data {house.directory} origin allow {house.project.id} {house.foreign}",
    }

    async def sent(_: Request) -> Response:
        return JSONResponse(addresses, headers=headers)

    return Route("/addresses.json", sent)
