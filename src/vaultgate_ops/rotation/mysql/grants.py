"""What a user may do, as countable atoms, and the statements that make one user's the same as another's.

Rules: read from SHOW GRANTS, line by line, in full: a line that isn't understood is an error, for a grant that is overlooked is
a promotion of a user without it. Everything counts: columns, routines, roles and their ADMIN OPTION, default roles, PROXY,
GRANT OPTION per object. Revokes come before grants, and none takes what a later grant would give back.
Source: MariaDB and MySQL reference manuals, "SHOW GRANTS", "GRANT", "REVOKE", "SET DEFAULT ROLE".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from vaultgate_ops.rotation.mysql.lexer import Tokens, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ALL, USAGE, OPTION = "ALL PRIVILEGES", "USAGE", "GRANT OPTION"
ROLE, DEFAULT_ROLE, PROXY = "ROLE", "DEFAULT ROLE", "PROXY"
MEMBER, ADMIN = "MEMBER", "ADMIN OPTION"
_KINDS = (("TABLE",), ("FUNCTION",), ("PROCEDURE",), ("PACKAGE", "BODY"), ("PACKAGE",))


@dataclass(frozen=True, order=True)
class Atom:
    """The smallest thing that can be granted.

    Attributes:
        kind: of the object: empty for tables, schemas and everything, FUNCTION and so on, or `ROLE`, `DEFAULT_ROLE`, `PROXY`.
        target: the object, quoted for SQL.
        privilege: such as ``SELECT``; `OPTION`, `MEMBER`, `ADMIN` are privileges here.
        column: quoted; empty for the whole object.
    """

    kind: str
    target: str
    privilege: str
    column: str = ""


@dataclass(frozen=True)
class Statement:
    """One GRANT, REVOKE or SET DEFAULT ROLE.

    Attributes:
        text: with ``%s@%s`` in place of the user; the rest of its percent signs are doubled.
        needed: what whoever executes it must have been granted; ``{0}`` stands for whoever that is.
        own: the same as the user does it for itself, where it may; empty where it may not.
    """

    text: str
    needed: str
    own: str = ""


def parse(line: str, user: str, host: str) -> Counter[Atom]:
    """Read one line of SHOW GRANTS.

    Args:
        line: as shown.
        user: whose grants were asked for; lines about its roles count nothing.
        host: the user's.

    Raises:
        RotationError: ``grants-unreadable``.
    """
    tokens = Tokens(line)
    if tokens.accept("SET", "DEFAULT", "ROLE"):
        return Counter([Atom(DEFAULT_ROLE, quoted(tokens.take("name")), MEMBER)])
    tokens.expect("GRANT")
    if tokens.accept("PROXY", "ON"):
        atoms = [Atom(PROXY, _account(tokens), PROXY)]
    elif (role := tokens.take_if("name")) is not None:
        atoms = list(_roles(tokens, role))
    else:
        atoms = list(_privileges(tokens))
    tokens.expect("TO")
    if tokens.accept("PUBLIC"):
        return Counter()
    grantee = (tokens.take("name"), tokens.take("name") if tokens.accept("@") else "")
    if grantee != (user, host):
        return Counter()
    first = atoms[0]
    while tokens:
        if tokens.accept("GRANT", "OPTION"):
            atoms.append(Atom(first.kind, first.target, OPTION))
        elif tokens.accept("ADMIN", "OPTION"):
            atoms += [Atom(ROLE, atom.target, ADMIN) for atom in list(atoms)]
        else:
            tokens.take("word", "text", "name", "mark")  # of the account: accounts.parse reads it
    return Counter(atom for atom in atoms if atom.privilege != USAGE)


def alike(source: Counter[Atom], twin: Counter[Atom], *, mariadb: bool) -> list[Statement]:
    """The statements that give a twin all that a source has, and nothing else.

    Args:
        source: how it must be.
        twin: how it is.
        mariadb: or MySQL.
    """
    missing = sorted((source - twin).keys(), key=_order)
    extra = sorted((twin - source).keys(), key=_order)
    statements: list[Statement] = []
    for (kind, target), group in groupby(extra, lambda atom: (atom.kind, atom.target)):
        # Whoever gets everything keeps what is part of it.
        covered = Atom(kind, target, ALL) in missing
        gone = [atom for atom in group if not covered or atom.column or atom.privilege == OPTION]
        statements += _revokes(kind, target, gone, source, mariadb=mariadb)
    for (kind, target), group in groupby(missing, lambda atom: (atom.kind, atom.target)):
        statements += _grants(kind, target, list(group), mariadb=mariadb)
    return statements


def _order(atom: Atom) -> tuple[bool, Atom]:
    """A default role has to be granted first."""
    return atom.kind == DEFAULT_ROLE, atom


def quoted(name: str) -> str:
    """An identifier in its quotes."""
    return "`" + name.replace("`", "``") + "`"


def _account(tokens: Tokens) -> str:
    name = tokens.take("name", "text")
    return f"{quoted(name)}@{quoted(tokens.take('name', 'text'))}" if tokens.accept("@") else quoted(name)


def _roles(tokens: Tokens, first: str) -> Iterator[Atom]:
    role: str | None = first
    while role is not None:
        target = quoted(role) + (f"@{quoted(tokens.take('name'))}" if tokens.accept("@") else "")
        yield Atom(ROLE, target, MEMBER)
        role = tokens.take("name") if tokens.accept(",") else None


def _privileges(tokens: Tokens) -> list[Atom]:
    found: list[tuple[str, str]] = []
    while True:
        words = []
        while (word := tokens.take_if("word")) not in {None, "ON"}:
            words.append(str(word))
        privilege = " ".join(words)
        if not privilege:
            raise unreadable()
        if word == "ON":
            found.append((privilege, ""))
            break
        if tokens.accept("("):
            found.append((privilege, quoted(tokens.take("name"))))
            while tokens.accept(","):
                found.append((privilege, quoted(tokens.take("name"))))
            tokens.expect(")")
            if tokens.accept("ON"):
                break
        else:
            found.append((privilege, ""))
        tokens.expect(",")
    kind = next((" ".join(words) for words in _KINDS if tokens.accept(*words)), "")
    target = _object(tokens)
    return [Atom("" if kind == "TABLE" else kind, target, privilege, column) for privilege, column in found]


def _object(tokens: Tokens) -> str:
    parts = []
    for _ in range(2):
        parts.append("*" if tokens.accept("*") else quoted(tokens.take("name")))
        if len(parts) == 1:
            tokens.expect(".")
    return ".".join(parts)


def _list(atoms: Iterable[Atom]) -> str:
    """Privileges with their columns: ``SELECT (`a`, `b`), INSERT``."""
    parts = []
    for privilege, group in groupby(sorted(atoms, key=lambda atom: (atom.privilege, atom.column)), lambda atom: atom.privilege):
        columns = [atom.column for atom in group]
        parts += [privilege] if "" in columns else []
        named = [column for column in columns if column]
        parts += [f"{privilege} ({', '.join(named)})"] if named else []
    return ", ".join(parts)


def _on(kind: str, target: str) -> str:
    return f"{kind} {target}".strip()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _revokes(kind: str, target: str, gone: list[Atom], source: Counter[Atom], *, mariadb: bool) -> Iterator[Statement]:
    where = _escaped(target)
    if not gone:
        return
    if kind == ROLE:
        if Atom(ROLE, target, MEMBER) not in source:
            yield Statement(f"REVOKE {where} FROM %s@%s", f"GRANT {target} TO {{0}} WITH ADMIN OPTION")
        elif mariadb:
            yield Statement(f"REVOKE ADMIN OPTION FOR {where} FROM %s@%s", f"GRANT {target} TO {{0}} WITH ADMIN OPTION")
        else:
            yield Statement(f"REVOKE {where} FROM %s@%s", f"GRANT {target} TO {{0}} WITH ADMIN OPTION")
            yield Statement(f"GRANT {where} TO %s@%s", f"GRANT {target} TO {{0}} WITH ADMIN OPTION")
    elif kind == DEFAULT_ROLE:
        if not any(atom.kind == DEFAULT_ROLE for atom in source):
            yield _default_role("NONE", mariadb=mariadb)
    elif kind == PROXY:
        yield Statement(f"REVOKE PROXY ON {where} FROM %s@%s", f"GRANT PROXY ON {target} TO {{0}} WITH GRANT OPTION")
        if Atom(PROXY, target, PROXY) in source:
            yield Statement(f"GRANT PROXY ON {where} TO %s@%s", f"GRANT PROXY ON {target} TO {{0}} WITH GRANT OPTION")
    else:
        listed = _list(gone)
        needed = f"GRANT {listed} ON {_on(kind, target)} TO {{0}} WITH GRANT OPTION".replace(f"{OPTION} ON", f"{USAGE} ON")
        yield Statement(f"REVOKE {_escaped(listed)} ON {_on(kind, where)} FROM %s@%s", needed)


def _grants(kind: str, target: str, wanted: list[Atom], *, mariadb: bool) -> Iterator[Statement]:
    where = _escaped(target)
    privileges = {atom.privilege for atom in wanted}
    if kind == ROLE:
        option = " WITH ADMIN OPTION" if ADMIN in privileges else ""
        yield Statement(f"GRANT {where} TO %s@%s{option}", f"GRANT {target} TO {{0}} WITH ADMIN OPTION")
    elif kind == DEFAULT_ROLE:
        yield _default_role(where, mariadb=mariadb)
    elif kind == PROXY:
        option = f" WITH {OPTION}" if OPTION in privileges else ""
        yield Statement(f"GRANT PROXY ON {where} TO %s@%s{option}", f"GRANT PROXY ON {target} TO {{0}} WITH GRANT OPTION")
    else:
        option = f" WITH {OPTION}" if OPTION in privileges else ""
        listed = _list(atom for atom in wanted if atom.privilege != OPTION) or USAGE
        needed = f"GRANT {listed} ON {_on(kind, target)} TO {{0}} WITH GRANT OPTION"
        yield Statement(f"GRANT {_escaped(listed)} ON {_on(kind, where)} TO %s@%s{option}", needed)


def _default_role(role: str, *, mariadb: bool) -> Statement:
    if mariadb:
        return Statement(f"SET DEFAULT ROLE {role} FOR %s@%s", "GRANT UPDATE ON mysql.* TO {0}", f"SET DEFAULT ROLE {role}")
    return Statement(f"SET DEFAULT ROLE {role} TO %s@%s", "GRANT CREATE USER ON *.* TO {0}")
