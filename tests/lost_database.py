"""How a test takes a SQLite file away from under a store."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine


def put_folder_in_place(engine: AsyncEngine) -> None:
    """A folder where the file was: there is nothing to connect to, and nothing that could be made anew."""
    path = Path(str(engine.url.database))
    path.rename(path.with_suffix(".lost"))
    path.mkdir()
