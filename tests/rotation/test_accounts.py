"""Accounts as servers show them, and their properties written back in full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import accounts, hashes
from vaultgate_ops.rotation.mysql.accounts import Account, Properties, Way
from vaultgate_ops.rotation.mysql.server import Flavour

ONE, OTHER = hashes.native("one"), hashes.native("other")


def test_a_password_a_requirement_and_limits_of_mariadb() -> None:
    """Everything of the line is there, in an order of its own, without what is at its default."""
    account = accounts.parse(
        f"CREATE USER `o'b``rien`@`10.%` IDENTIFIED VIA mysql_native_password USING '{ONE}' OR unix_socket"
        " REQUIRE ISSUER '/O=it''s' SUBJECT '/C=x' WITH MAX_QUERIES_PER_HOUR 100 MAX_USER_CONNECTIONS 0 "
        "MAX_STATEMENT_TIME 3.500000 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 30 DAY"
    )
    require, limits = (
        (("ISSUER", "/O=it's"), ("SUBJECT", "/C=x")),
        (("MAX_QUERIES_PER_HOUR", "100"), ("MAX_STATEMENT_TIME", "3.500000")),
    )
    ways = (Way("mysql_native_password", ONE), Way("unix_socket"))
    assert account == Account("o'b`rien", "10.%", ways, Properties(require, limits, "INTERVAL 30 DAY"), locked=True)
    assert account.hashes == (ONE,)


def test_a_line_of_mysql() -> None:
    """Its plugin in quotes, the stored form in hexadecimal, default roles, options on passwords."""
    account = accounts.parse(
        "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x244124303035 DEFAULT ROLE `a`@`%`,`b`@`%`"
        " REQUIRE NONE WITH MAX_USER_CONNECTIONS 5 PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY 3"
        " PASSWORD REUSE INTERVAL 30 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 4 PASSWORD_LOCK_TIME 2"
        """ ATTRIBUTE '{"comment": "whose it is"}'"""
    )
    options = (
        ("FAILED_LOGIN_ATTEMPTS", "4"),
        ("PASSWORD HISTORY", "3"),
        ("PASSWORD REQUIRE CURRENT", "OPTIONAL"),
        ("PASSWORD REUSE INTERVAL", "30 DAY"),
        ("PASSWORD_LOCK_TIME", "2"),
    )
    assert account.ways == (Way("caching_sha2_password", "$A$005"),)
    assert account.properties == Properties((), (("MAX_USER_CONNECTIONS", "5"),), "DEFAULT", options)
    assert account.default_roles == {("a", "%"), ("b", "%")}


@pytest.mark.parametrize(
    ("tail", "expired", "expiry"),
    [("", False, "DEFAULT"), (" PASSWORD EXPIRE", True, "DEFAULT"), (" PASSWORD EXPIRE NEVER", False, "NEVER")],
)
def test_an_expired_password_is_no_property(tail: str, expired: bool, expiry: str) -> None:  # noqa: FBT001 - a table's column
    """A rule is copied to the twin, the state of one password is not."""
    account = accounts.parse(f"CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '{ONE}'{tail}")
    assert (account.expired, account.properties.expiry) == (expired, expiry)


def test_no_password_at_all() -> None:
    """MariaDB shows nothing for an empty password."""
    assert accounts.parse("CREATE USER `app`@`%`").hashes == ("",)


@pytest.mark.parametrize(
    "line",
    [
        "CREATE USER",
        "CREATE USER `a`@`b` REQUIRE SOMETHING",
        "CREATE USER `a`@`b` SOMETHING ELSE",
        "CREATE USER `a`@`b` PASSWORD X",
    ],
)
def test_what_is_not_understood_is_an_error(line: str) -> None:
    """Nothing of an account is left out in silence."""
    with pytest.raises(RotationError, match="grants-unreadable"):
        accounts.parse(line)


def test_hashes_do_not_print() -> None:
    """A hash logs in by itself, given some patience: it is kept out of every text."""
    assert ONE not in repr(accounts.parse(f"CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '{ONE}'"))


requirements = st.sampled_from([(), (("SSL", ""),), (("X509", ""),), (("CIPHER", "AES"), ("ISSUER", "/O=it's"))])
limits = st.dictionaries(st.sampled_from(accounts.LIMITS), st.integers(1, 999).map(str))
expiries = st.sampled_from(["DEFAULT", "NEVER", "INTERVAL 30 DAY"])


@given(requirements, limits, expiries)
def test_properties_are_written_in_full(require: tuple[tuple[str, str], ...], given_limits: dict[str, str], expiry: str) -> None:
    """Written and read again they are the same; what is absent is written as absent."""
    wanted = Properties(require, tuple((name, given_limits[name]) for name in accounts.LIMITS if name in given_limits), expiry)
    clauses, arguments = accounts.clauses(wanted, mariadb=True)
    texts = ["'" + argument.replace("'", "''") + "'" for argument in arguments]
    shown = clauses.replace("ACCOUNT UNLOCK ", "") % tuple(texts)
    assert accounts.parse(f"CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '{ONE}' {shown}").properties == wanted
    assert all(limit in clauses for limit in accounts.LIMITS)


def test_mysqls_clauses() -> None:
    """MySQL gets its own options, and not MariaDB's limit."""
    clauses, _ = accounts.clauses(
        Properties(options=(("PASSWORD HISTORY", "3"), ("PASSWORD REQUIRE CURRENT", ""))), mariadb=False
    )
    assert clauses == (
        "REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0"
        " ACCOUNT UNLOCK PASSWORD EXPIRE DEFAULT PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT"
        " FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0"
    )


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        ("10.11.19-MariaDB-0+deb12u1", Flavour(mariadb=True, version=(10, 11, 19))),
        ("5.5.5-10.4.7-MariaDB-log", Flavour(mariadb=True, version=(10, 4, 7))),
        ("8.0.36", Flavour(mariadb=False, version=(8, 0, 36))),
        ("8.4.0-aurora", Flavour(mariadb=False, version=(8, 4, 0))),
    ],
)
def test_versions(text: str, flavour: Flavour) -> None:
    """What SELECT VERSION() says, MariaDB's old disguise included."""
    assert Flavour.parse(text) == flavour


def test_a_version_that_is_none() -> None:
    """Something else answers at the port."""
    with pytest.raises(RotationError, match="database-error"):
        Flavour.parse("pgbouncer")


def test_the_native_form_is_the_servers() -> None:
    """MySQL's documented example, and a letter beyond ASCII in UTF-8 (checked against a server in test_dual)."""
    assert hashes.native("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"
    assert hashes.matches("mypass", hashes.NATIVE, "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4")
    assert not hashes.matches("mypast", hashes.NATIVE, "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4")


LONG = "a very much longer text to encrypt.  This one even stretches over morethan one line."


@pytest.mark.parametrize(
    ("rounds", "salt", "key", "digest"),
    [
        (5000, "saltstring", "Hello world!", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        (10000, "saltstringsaltst", "Hello world!", "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
        (1400, "anotherlongsalts", LONG, "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"),
    ],
)
def test_sha256_crypt_by_the_specifications_vectors(rounds: int, salt: str, key: str, digest: str) -> None:
    """OpenSSL and glibc compute the same of these; MySQL's caching_sha2_password is this with a longer salt."""
    assert hashes.sha256_crypt(key.encode(), salt.encode(), rounds) == digest


def test_the_caching_form() -> None:
    """Rounds in thousands, twenty bytes of salt, the digest; anything else matches nothing."""
    salt = "\x01'saltsaltsaltsalt$\x7f"[:20].ljust(20, "x")
    stored = f"$A$005${salt}{hashes.sha256_crypt(b'one', salt.encode('latin-1'), 5000)}"
    assert hashes.matches("one", hashes.CACHING, stored)
    assert not hashes.matches("two", hashes.CACHING, stored)
    assert not hashes.matches("one", hashes.CACHING, stored[:-1])
    assert not hashes.matches("one", "sha256_password", stored)
