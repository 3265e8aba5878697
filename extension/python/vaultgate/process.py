"""The extension's process: judges the settings, builds everything, lives one sandbox's life.

Rules: what goes wrong before the first Next is the init's error, with its text; what a login needs is imported once Lambda
has heard of us.
"""

from __future__ import annotations

import socket
import sys

from vaultgate import config
from vaultgate.arrival import MANAGED, SNAP_START, events_of, kind_of
from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError, VaultgateError
from vaultgate.generation import Generation
from vaultgate.lifecycle import Lifecycle
from vaultgate.log import Log
from vaultgate.outlets import proxy
from vaultgate.outlets.proxy import Sleep
from vaultgate.runtime_api import RuntimeApi
from vaultgate.transport import Connections, require_readable
from vaultgate.values import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate.arrival import Arrival
    from vaultgate.broker import Broker
    from vaultgate.config import Config
    from vaultgate.door_secret import DoorSecret
    from vaultgate.metrics import Metrics
    from vaultgate.model import Origin
    from vaultgate.outlets.files import Files
    from vaultgate.outlets.sinks import Sinks
    from vaultgate.secret import Secret

_FINE = 0
_FAILED = 1
_CONFIGURATION = 2
# A managed instance runs many processes of the function at once, and each may keep a connection or two.
_MANAGED_CONNECTIONS = 512


def run(environ: Mapping[str, str], name: str, arrival: Arrival | None, clock: Clock | None = None) -> int:
    """Run the extension; its exit code.

    Args:
        environ: the process's.
        name: the launcher's file name, by which Lambda knows the extension.
        arrival: what was done already.
        clock: another than the real one, for trials of what a moved clock does.
    """
    clock, kind = clock or Clock(), kind_of(environ)
    server = _runtime_api(environ)
    if server is None:
        sys.stderr.write(
            "vaultgate: AWS_LAMBDA_RUNTIME_API is not set: this program is an extension, Lambda starts it from /opt/extensions\n"
        )
        return _CONFIGURATION
    api = RuntimeApi(server, name, Connections(clock), clock, arrival.identifier if arrival is not None else "")
    try:
        settings = config.load(environ, _text_of)
        require_readable(settings.tls)
        listener = _listener(settings, arrival)
    except ConfigurationError as error:
        return _fail(api, kind, error, Log(sys.stdout, "error", clock))
    metrics = _metrics(settings, environ)
    journal = Log(sys.stdout, settings.log_level, clock, metrics.hear if metrics is not None else None)
    generation = Generation(settings.listen, journal)
    door = _door_secret(settings, listener)
    # A secret that stood in the snapshot would be that of every sandbox that is restored from it.
    sleep = Sleep(kind == SNAP_START, door.begin, journal)

    def serve() -> Broker:
        if listener is not None:
            generation.begin()  # before anything slow: a function that reads earlier keeps nothing for its first second
        from vaultgate.assembly import broker_of  # noqa: PLC0415 - see the module's rules

        broker = broker_of(settings, environ, clock, journal, invalidated=generation.advance)
        if listener is not None:
            proxy.Proxy(
                listener,
                broker,
                settings.guard,
                journal,
                sleep,
                secret=door.current,
                allow=settings.allow,
                deny=settings.deny,
                connections=_MANAGED_CONNECTIONS if kind == MANAGED else proxy.CONNECTIONS,
            ).start()
        return broker

    def files(broker: Broker) -> Files:
        from vaultgate.outlets.files import Files  # noqa: PLC0415 - only where files are asked for

        return Files(settings.files, broker, settings, clock, journal)

    def sinks(broker: Broker) -> Sinks:
        from vaultgate.outlets.sinks import Sinks  # noqa: PLC0415 - only where sinks are asked for

        return Sinks(settings.sinks, broker, journal)

    try:
        door.begin()  # before Lambda hears of us: the function may read it as soon as its init runs
        Lifecycle(
            api,
            settings.start,
            serve,
            clock,
            journal,
            files=files if settings.files else None,
            sinks=sinks if settings.sinks else None,
            kind=kind,
            wake=sleep.end,
            report=(lambda broker: _report(metrics, broker, clock)) if metrics is not None else None,
        ).run()
    except VaultgateError as error:
        return _fail(api, kind, error, journal)
    finally:
        generation.end()  # while the port, and so the file's name, is still ours
        door.end()
        if listener is not None:
            listener.close()
    return _FINE


class _NoSecret:
    """What stands for a `DoorSecret` where the door asks for none."""

    def begin(self) -> None:
        """Make nothing."""

    def current(self) -> Secret | None:
        """Nothing."""
        return None

    def end(self) -> None:
        """Leave nothing."""


def _door_secret(settings: Config, listener: socket.socket | None) -> DoorSecret | _NoSecret:
    """The secret of the door, if there is a door and the settings ask for one."""
    if settings.guard != "secret" or listener is None:
        return _NoSecret()
    from vaultgate.door_secret import DoorSecret  # noqa: PLC0415 - only this mode pays for it

    return DoorSecret(settings.listen)


def _runtime_api(environ: Mapping[str, str]) -> Origin | None:
    """Where Lambda is; None where there is none."""
    try:
        return origin("http://" + environ["AWS_LAMBDA_RUNTIME_API"])
    except (KeyError, ValueError):
        return None


def _metrics(settings: Config, environ: Mapping[str, str]) -> Metrics | None:
    """What counts; None where nobody wants to know."""
    if not settings.metrics:
        return None
    from vaultgate.metrics import Metrics  # noqa: PLC0415 - only where they are asked for

    return Metrics(environ.get("AWS_LAMBDA_FUNCTION_NAME") or "unknown")


def _report(metrics: Metrics, broker: Broker, clock: Clock) -> None:
    """Write a line of metrics, if there is something to tell."""
    line = metrics.line(clock.wall(), broker.health())
    if line is not None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _text_of(file: str) -> str:
    """A file's text; raises OSError, or UnicodeDecodeError for what is no UTF-8."""
    with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - pathlib is an import that a cold start would pay
        return opened.read()


def _listener(settings: Config, arrival: Arrival | None) -> socket.socket | None:
    """The socket that listens; None where nobody shall be listened to.

    Raises:
        ConfigurationError: the port is taken.
    """
    if arrival is not None:
        return socket.socket(fileno=arrival.fileno)
    try:
        return proxy.bind(settings.listen) if settings.run_mode != "file" else None
    except OSError as error:
        place = f"{settings.listen[0]}:{settings.listen[1]}"
        problem = f"VAULTGATE_LISTEN={place} can't be used ({error.strerror}): choose another loopback port"
        raise ConfigurationError([problem]) from error


def _fail(api: RuntimeApi, kind: str, error: VaultgateError, journal: Log) -> int:
    """Tell Lambda, which shows it to whoever deployed the function, and the log."""
    journal.failure(error)
    try:
        if api.initialised:
            api.exit_error(error.code, str(error))
        else:
            if not api.registered:
                api.register(events_of(kind))
            api.init_error(error.code, str(error))
    except VaultgateError as unheard:
        journal.error("unheard", f"Lambda did not take the error: {unheard}")
    return _CONFIGURATION if isinstance(error, ConfigurationError) else _FAILED
