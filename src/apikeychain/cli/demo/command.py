"""The sub-command: to look at in a browser until Ctrl-C, or once, as a table."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from apikeychain.errors import MissingExtraError

if TYPE_CHECKING:
    from apikeychain.cli.demo.house import House
    from apikeychain.cli.demo.once import Step

PORT = 8000
_WIDTH = 120
_ASKED = "the demo"


async def demo(*, once: bool = False, directory: Path | None = None, port: int = PORT) -> int:
    """Run the gate on this machine, with a stand-in provider and two pages that call it.

    Args:
        once: do the whole scenario without a browser, on ports that are free, and print what happened.
        directory: keep the data here; by default they are removed at the end.
        port: of the host application; the two pages take the next two ports.

    Returns:
        The exit code: 0, or 1 where a step of the scenario did not hold.

    Raises:
        SetupError: a port is taken, the directory cannot be used, or the extra ``demo`` is not installed.
    """
    try:
        from apikeychain.cli.demo.once import scenario  # noqa: PLC0415 - the command starts without the extra, too
        from apikeychain.cli.demo.running import running  # noqa: PLC0415 - likewise
    except ImportError:
        raise MissingExtraError(_ASKED, "demo") from None
    if once:
        started = time.monotonic()
        with _quiet():
            async with running(directory, 0) as house:
                steps = await scenario(house)
        return _tell(steps, time.monotonic() - started)
    async with running(directory, port) as house:
        _show(house)
        await _until_told()
    return 0


def _tell(steps: Sequence["Step"], seconds: float) -> int:
    """Print the table; the exit code."""
    from rich.table import Table  # noqa: PLC0415 - likewise

    table = Table(title="apikeychain demo --once", title_justify="left", show_lines=True)
    for column in ("", "What was done", "What was expected", "What happened", ""):
        table.add_column(column)
    for number, step in enumerate(steps, start=1):
        verdict = "[green]ok[/]" if step.holds else "[bold red]FAILED[/]"
        table.add_row(str(number), step.deed, _plain(step.expected), _plain(step.happened), verdict)
    failed = sum(not step.holds for step in steps)
    _print(table, f"{len(steps) - failed} of {len(steps)} steps hold, in {seconds:.1f} s.")
    return 1 if failed else 0


def _show(house: "House") -> None:
    _print(
        f"""
[bold]The apikeychain demo is running.[/]

  [bold green]{house.own}[/]    the page on the allowed origin: [bold]open this one[/]
  {house.foreign}    the same call from a foreign origin, which is refused
  {house.api}    the host application with the gate in it
  {_plain(str(house.directory))}    the data: a database and a key file

Try: look for the key in the browser's network panel. Or be a script, which has no Origin:
  curl -i '{house.api}{house.project.url("weather")}?q=Lisbon'

Ctrl-C ends it.
"""
    )


def _print(*parts: object) -> None:
    from rich.console import Console  # noqa: PLC0415 - likewise

    console = Console(highlight=False)
    console.width = max(console.width, 0 if console.is_terminal else _WIDTH)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def _plain(text: str) -> str:
    """`text` with nothing in it that could be read as markup."""
    return text.replace("[", "\\[")


async def _until_told() -> None:
    """Wait for Ctrl-C or the end of the process."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Where a loop takes no signals (Windows), Ctrl-C cancels the task, which ends the demo as well.
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, told.set)
                stack.callback(loop.remove_signal_handler, number)
        await told.wait()


@contextlib.contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep the log of expected refusals out of the table."""
    log, silent = logging.getLogger("apikeychain"), logging.NullHandler()
    log.addHandler(silent)
    try:
        yield
    finally:
        log.removeHandler(silent)
