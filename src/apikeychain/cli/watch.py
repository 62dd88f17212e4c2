"""`apikeychain watch`."""

from cyclopts import App

from apikeychain.cli.watch_replay import replay

app = App(name="watch", help="What the watch sees of projects, what it did, and what it may do.")
app.command(replay)
