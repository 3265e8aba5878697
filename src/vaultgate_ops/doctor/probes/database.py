"""The database's credential, and one session with it.

Rules: the credential is fetched as the function fetches it, but through the doctor's own token, and never shown; one row of the
table is read, nothing is written. A server's words are quoted only where they are known to name accounts and tables alone.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pymysql

from vaultgate.errors import ConfigurationError, Denied, NotFound, ProtocolViolation, VaultgateError
from vaultgate.secret import Secret
from vaultgate.vault import words_of
from vaultgate_ops.doctor.facts import DatabaseSession, Fetched
from vaultgate_ops.doctor.probes.vault import document
from vaultgate_ops.records.sources import connect_arguments
from vaultgate_ops.records.stores import STORES

if TYPE_CHECKING:
    from vaultgate_ops.doctor.facts import Place
    from vaultgate_ops.doctor.visit import Visit
    from vaultgate_ops.records.settings import Settings

FETCH_S, SESSION_S = 8.0, 5.0
FROM_VAULT = frozenset({"vault", "vault-static", "vault-kv"})
_CODES: tuple[tuple[type[VaultgateError], str], ...] = ((Denied, "denied"), (NotFound, "missing"), (ProtocolViolation, "shape"))
_QUOTED = frozenset({1040, 1044, 1045, 1049, 1129, 1130, 1142, 1143, 1146, 1203, 1226, 1227, 1698, 1820, 1862, 3118, 4151})


def fetch(visit: Visit, records: Settings, deadline: float) -> Fetched:
    """Get the credential, from wherever the function gets it."""
    if records.source in FROM_VAULT:
        return _from_vault(visit, records, min(deadline, visit.clock.steady() + FETCH_S))
    where = records.secret_name or "RDS_PASSWORD"
    try:
        found = STORES[records.source](records).read(anew=True)
    except ConfigurationError as error:
        return Fetched(records.source, where, "shape", error.message)
    except VaultgateError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "failed")
        return Fetched(records.source, where, code, error.message)
    visit.hold_login(found.username, found.password)
    return Fetched(records.source, where, "ok", user=found.username)


def _from_vault(visit: Visit, records: Settings, deadline: float) -> Fetched:
    path = records.secret_path

    def told(code: str, words: str = "", user: str = "", lease_s: float = 0.0) -> Fetched:
        return Fetched(records.source, path, code, words, user, lease_s)

    try:
        answer = visit.ask_as_us(("GET", path), deadline)
    except VaultgateError as error:
        return told("failed", error.message)
    words = words_of(answer)
    if answer.status == 403:  # noqa: PLR2004 - HTTP
        return told("denied", words)
    if answer.status == 404 or "unknown role" in words:  # noqa: PLR2004 - HTTP
        return told("missing", words or "nothing is there")
    if not answer.ok:
        return told("engine", words or f"status {answer.status}")
    whole = document(answer)
    if whole.get("lease_id"):
        visit.hold_lease(str(whole["lease_id"]))
    fields: Any = whole.get("data") or {}
    if records.source == "vault-kv" and isinstance(fields.get("data"), dict):
        fields = fields["data"]
    user, password = fields.get("username"), fields.get("password")
    if not isinstance(user, str) or not isinstance(password, str) or not user or not password:
        return told("shape", f"its fields are {', '.join(sorted(fields)) or 'none'}")
    visit.hold_login(user, Secret(password))
    return told("ok", "", user, float(whole.get("lease_duration") or 0) if whole.get("lease_id") else 0.0)


def session(visit: Visit, place: Place, records: Settings, deadline: float) -> DatabaseSession:
    """Log in and read one row."""
    user, password = visit.login or ("", Secret(""))
    left_s = max(1.0, min(SESSION_S, deadline - visit.clock.steady()))
    stage, ends = "connect", 0.0

    def told(number: int = 0, words: str = "", tls: str = "") -> DatabaseSession:
        return DatabaseSession(place, records.database, records.table, user, number, stage, words, tls, ends, visit.clock.wall())

    try:
        # As bytes: the driver would take a text for Latin-1.
        terms = connect_arguments(records) | {"connect_timeout": left_s, "read_timeout": left_s, "write_timeout": left_s}
        connection = pymysql.connect(user=user, password=password.reveal().encode(), **terms)
    except ConfigurationError as error:
        return told(tls=error.message)
    except (pymysql.MySQLError, RuntimeError) as error:
        cause = getattr(error, "original_exception", None)
        if isinstance(cause, ssl.SSLError):
            return told(tls=getattr(cause, "verify_message", "") or cause.reason or type(cause).__name__)
        number, words = _said(error)
        if "SSL" in words and "doesn't support" in words:
            return told(tls=words)
        return told(
            number, _quoted(number, words) or (cause.strerror or type(cause).__name__ if isinstance(cause, OSError) else "")
        )
    stage = "read"
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM `{records.table}` LIMIT 1")  # noqa: S608 - a checked identifier, in its quotes
            with suppress(pymysql.MySQLError, ValueError, TypeError):
                cursor.execute("SHOW STATUS LIKE 'Ssl_server_not_after'")
                ends = float(ssl.cert_time_to_seconds(str((cursor.fetchone() or ("", ""))[1])))
    except pymysql.MySQLError as error:
        number, words = _said(error)
        return told(number, _quoted(number, words))
    finally:
        with suppress(pymysql.MySQLError):
            connection.close()
    return told()


def _said(error: Exception) -> tuple[int, str]:
    """Number and words of the driver's error; -1 for one without a number."""
    number = error.args[0] if error.args else -1
    words = str(error.args[1]) if len(error.args) > 1 else ""
    if not isinstance(number, int):
        return -1, str(number) if isinstance(error, RuntimeError) else type(error).__name__
    return number, words


def _quoted(number: int, words: str) -> str:
    return words if number in _QUOTED or number < 0 else ""
