"""`vault`: Vault issues the value, or keeps a copy of it.

A static role of Vault's database engine (``"vault_path": "database/static-creds/app"``): Vault draws the password and sets it,
one user, one password, so there is a window as with `single`, and a longer one, because Vault changes it where others only draw:

| who has | before the rotation | after createSecret | after finishSecret |
|---|---|---|---|
| the new password (N) | - | works | works, is AWSCURRENT |
| the current one (N-1) | works | **refused, while it still is AWSCURRENT** | refused |

A field of a KV version 2 secret (``"vault_path": "secret/data/app"``): our value is drawn as for the other strategies and written
there, with check-and-set. Nothing is refused by Vault; its readers have the new value from setSecret on, those of Secrets
Manager from finishSecret on, and whoever compares the two has to take both in between.

Rules: Vault is asked before anything is changed. A password that Vault has and no stage has is taken over instead of being
rotated away: a crash, or Vault's own schedule, left it. A pending value that Vault has left behind can't become valid again, so
its version is taken back. Everything else in a KV secret stays as it is; a deleted one stays deleted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import SecretValue
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.strategies.protocol import Surprised
from vaultgate_ops.rotation.vault_place import Place, done, gone, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vaultgate_ops.rotation.model import Change
    from vaultgate_ops.rotation.strategies.database import Doors
    from vaultgate_ops.rotation.strategies.protocol import Hold
    from vaultgate_ops.rotation.vault import Session

_WRITES = 3
_ASK = "sys/capabilities-self"


class Issued:
    """The strategy.

    Args:
        doors: to Vault, and to the database of a static role whose secret says where it is.
    """

    name = "vault"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def propose(self, token: str, change: Change, draw: Callable[[], str], *, sure: bool) -> SecretValue:  # noqa: ARG002 - the protocol's
        """What Vault's rotation gives, or what it has already; for KV a new password."""
        place, current = Place.parse(change.current.fields), change.current
        if not place.static:
            return SecretValue({**current.fields, place.field: draw()})
        with self._doors.vault() as session:
            issued = _login(session, place)
            if issued["password"] == current.fields.get("password"):
                done(session.ask("POST", place.written, {}), place.written, "update")
                issued = _login(session, place)
            elif not sure:
                raise Surprised
        return SecretValue({**current.fields, **issued})

    def outline(self, change: Change) -> Sequence[tuple[str, str]]:
        """Where in Vault, and what becomes of the older value."""
        place = Place.parse(change.current.fields)
        older = "ends at once, when the rotation begins" if place.static else "stays readable in Vault as an older version"
        issuer = "draws it and sets it in its database" if place.static else f"keeps it too, as {place.field!r}"
        return [("vault", f"{place.path}: {issuer}"), ("older value", older)]

    def check(self, change: Change) -> None:
        """Refuse a pending value that differs in more than what is issued, and a host that may not be contacted."""
        place = Place.parse(change.current.fields)
        for value in (change.current, change.pending):
            database = _database(place, value) if value else None
            if database is not None:
                self._doors.rotators.vouch(database)
        if change.pending is None:
            return
        issued = {"username", "password"} if place.static else {place.field}
        now, then = change.current.fields, change.pending.fields
        changed = sorted(name for name in {*now, *then} - issued if now.get(name) != then.get(name))
        if changed:
            raise RotationError(
                "value-changed",
                f"AWSPENDING differs from AWSCURRENT in: {', '.join(changed)}.",
                f"Only {' and '.join(sorted(issued))} may differ. Take it back (vaultgate rotate repair) and rotate again.",
            )
        text(then, place.field)

    @contextmanager
    def hold(self, change: Change) -> Iterator[Hold]:
        """Log in to Vault; the token ends with the block."""
        place = Place.parse(change.current.fields)
        with self._doors.vault() as session:
            yield _Static(self._doors, session, place, change) if place.static else _Kept(session, place, change)

    def grace_s(self, current: SecretValue) -> float | None:  # noqa: ARG002 - the protocol's
        """Nothing older is left that a sweep could end."""
        return None


class _Static:
    """A static role: what Vault has is what works."""

    def __init__(self, doors: Doors, session: Session, place: Place, change: Change) -> None:
        self._doors, self._session, self._place, self._change = doors, session, place, change
        self._rehearsal = _is_rehearsal(change)

    def apply(self, *, sure: bool) -> None:
        """Nothing is left to do, or nothing can be done."""
        if not self._has(self._change.pending or self._change.current):
            if not sure:
                raise Surprised
            raise self._overtaken()

    def prove(self) -> None:
        """See that Vault has the pending value, and log in with it; in a rehearsal, that Vault would rotate."""
        if self._rehearsal:
            _may_change(self._session, self._place)
            if self._has(self._change.current):
                self._log_in(self._change.current, probe=True)
            return
        self._prove(self._change.pending or self._change.current, probe=True)

    def ready(self) -> None:
        """See that Vault has it at this moment, and log in."""
        self._prove(self._change.pending or self._change.current, probe=False)

    def retire(self, *, sure: bool, sessions: bool) -> bool:
        """End sessions, if that is wanted; the older password ended when Vault rotated it."""
        current = self._change.current
        if not self._has(current) and not sure:
            raise Surprised
        self._prove(current, probe=False)
        database = _database(self._place, current)
        if sessions and database is not None:
            self._doors.end_sessions(database, database.username, database.password)
        return False

    def _prove(self, value: SecretValue, *, probe: bool) -> None:
        if not self._has(value):
            raise self._overtaken()
        self._log_in(value, probe=probe)

    def _log_in(self, value: SecretValue, *, probe: bool) -> None:
        database = _database(self._place, value)
        if database is not None:
            self._doors.prove(database, probe=probe)

    def _has(self, value: SecretValue) -> bool:
        issued = _login(self._session, self._place)
        return all(value.fields.get(name) == text for name, text in issued.items())

    def _overtaken(self) -> RotationError:
        return RotationError(
            "value-overtaken",
            f"Vault has issued another password for {self._place.path} since.",
            "Rotate again: the next rotation takes over what Vault has. Give the static role a longer rotation_period than ours.",
        )


class _Kept:
    """A field of a KV secret: a copy of ours."""

    def __init__(self, session: Session, place: Place, change: Change) -> None:
        self._session, self._place = session, place
        self._wanted = (change.pending or change.current).fields.get(place.field)
        self._current = change.current.fields.get(place.field)
        self._rehearsal = _is_rehearsal(change)

    def apply(self, *, sure: bool) -> None:
        """Write the pending value beside the secret's other fields, unless it is there."""
        known = [self._current]
        for _ in range(_WRITES):
            fields, version = self._read()
            found = fields.get(self._place.field)
            if found == self._wanted:
                return
            if found not in known:
                if not sure:
                    raise Surprised
                if len(known) > 1:
                    break  # the engine has waited because of the one before; this one may be a later rotation's
                known.append(found)
            body = {"options": {"cas": version}, "data": {**fields, self._place.field: self._wanted}}
            answer = self._session.ask("POST", self._place.written, body)
            if answer.conflict:
                continue
            done(answer, self._place.written, "update")
            return
        raise RotationError("rotation-running", f"{self._place.path} keeps changing in Vault.", "Run the step again.")

    def prove(self) -> None:
        """See that Vault has the pending value; in a rehearsal, that it would take one."""
        if self._rehearsal:
            self._read()
            _may_change(self._session, self._place)
            return
        self.ready()

    def ready(self) -> None:
        """See that Vault has it at this moment."""
        if self._read()[0].get(self._place.field) != self._wanted:
            raise RotationError(
                "vault-differs", f"{self._place.path} doesn't have this value.", "Run setSecret again; see who else writes there."
            )

    def retire(self, *, sure: bool, sessions: bool) -> bool:  # noqa: ARG002 - the protocol's
        """End nothing: Vault refuses nobody an older value; its versions are its history."""
        return False

    def _read(self) -> tuple[Mapping[str, Any], int]:
        """The secret's fields, and the number of its version.

        Raises:
            RotationError: ``vault-missing``, ``secret-field-wrong``.
        """
        reply = self._session.ask("GET", self._place.path)
        if reply.absent:
            raise gone(reply, self._place)
        fields, metadata = done(reply, self._place.path, "read").get("data"), reply.data.get("metadata")
        if not isinstance(fields, dict) or not isinstance(metadata, dict) or not isinstance(metadata.get("version"), int):
            raise RotationError("secret-field-wrong", f"{self._place.path} is no KV version 2 secret.", "Correct vault_path.")
        return fields, metadata["version"]


def _is_rehearsal(change: Change) -> bool:
    """Whether nothing is to change: Secrets Manager tests a new configuration with the current value."""
    return change.pending is None or change.pending.fields == change.current.fields


def _login(session: Session, place: Place) -> dict[str, str]:
    """What a static role's user logs in with at this moment."""
    reply = session.ask("GET", place.path)
    if reply.absent:
        raise gone(reply, place)
    data = done(reply, place.path, "read")
    issued = {name: data.get(name) for name in ("username", "password")}
    if not all(isinstance(text, str) and text for text in issued.values()):
        raise RotationError("vault-refused", f"{place.path} gives no username and password.", "Use a role with a password.")
    return {name: str(text) for name, text in issued.items()}


def _may_change(session: Session, place: Place) -> None:
    """Refuse, in a rehearsal, what a rotation would come to grief over."""
    reply = session.ask("POST", _ASK, {"paths": [place.written]})
    held = done(reply, _ASK, "update").get(place.written) or []
    if not {"update", "root"} & set(held):
        raise RotationError(
            "vault-denied",
            f"The token may not update {place.written}.",
            f'Allow it: path "{place.written}" {{ capabilities = ["update"] }}',
        )


def _database(place: Place, value: SecretValue) -> DatabaseSecret | None:
    """The database login that a value is, where it says where the server is."""
    return DatabaseSecret.parse(value) if place.static and "host" in value.fields else None
