"""Grants as countable atoms: read from what servers show, and made equal by as few statements as it takes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql import grants
from vaultgate_ops.rotation.mysql.grants import Atom


def read(*lines: str) -> Counter[Atom]:
    """The atoms of app@%."""
    found: Counter[Atom] = Counter()
    for line in lines:
        found += grants.parse(line, "app", "%")
    return found


def texts(source: Counter[Atom], twin: Counter[Atom], *, mariadb: bool = True) -> list[str]:
    """The statements, with the user's place as it stands."""
    return [statement.text for statement in grants.alike(source, twin, mariadb=mariadb)]


def test_columns_count_one_by_one() -> None:
    """A privilege on two columns is two atoms, beside the privileges on the whole table and its GRANT OPTION."""
    line = "GRANT SELECT (`customer`, `id`), INSERT (`id`), DELETE ON `shop`.`orders` TO `app`@`%` WITH GRANT OPTION"
    table = "`shop`.`orders`"
    assert read(line) == Counter(
        [
            Atom("", table, "SELECT", "`customer`"),
            Atom("", table, "SELECT", "`id`"),
            Atom("", table, "INSERT", "`id`"),
            Atom("", table, "DELETE"),
            Atom("", table, grants.OPTION),
        ]
    )


@pytest.mark.parametrize(
    ("line", "atoms"),
    [
        ("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AA' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5", []),
        ("GRANT USAGE ON `shop`.* TO `app`@`%` WITH GRANT OPTION", [Atom("", "`shop`.*", grants.OPTION)]),
        ("GRANT ALL PRIVILEGES ON `we``ird\\_db`.* TO `app`@`%`", [Atom("", "`we``ird\\_db`.*", grants.ALL)]),
        ("GRANT CREATE TEMPORARY TABLES ON `a b`.* TO 'app'@'%'", None),
        ("GRANT EXECUTE ON FUNCTION `shop`.`f` TO `app`@`%`", [Atom("FUNCTION", "`shop`.`f`", "EXECUTE")]),
        ("GRANT EXECUTE ON PACKAGE BODY `shop`.`p` TO `app`@`%`", [Atom("PACKAGE BODY", "`shop`.`p`", "EXECUTE")]),
        ("GRANT PROXY ON `x`@`y` TO `app`@`%`", [Atom(grants.PROXY, "`x`@`y`", grants.PROXY)]),
        (
            "GRANT `reader` TO `app`@`%` WITH ADMIN OPTION",
            [Atom(grants.ROLE, "`reader`", grants.MEMBER), Atom(grants.ROLE, "`reader`", grants.ADMIN)],
        ),
        (
            "GRANT `a`@`%`,`b`@`%` TO `app`@`%`",
            [Atom(grants.ROLE, "`a`@`%`", grants.MEMBER), Atom(grants.ROLE, "`b`@`%`", grants.MEMBER)],
        ),
        ("SET DEFAULT ROLE `reader` FOR `app`@`%`", [Atom(grants.DEFAULT_ROLE, "`reader`", grants.MEMBER)]),
        ("GRANT SELECT ON `shop`.* TO `reader`", []),
        ("GRANT SELECT ON `shop`.* TO PUBLIC", []),
        ("GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO `app`@`%`", [Atom("", "*.*", "BACKUP_ADMIN"), Atom("", "*.*", "ROLE_ADMIN")]),
    ],
)
def test_lines_of_both_servers(line: str, atoms: list[Atom] | None) -> None:
    """Each kind of line is read in full; a grantee in another spelling, and what a role may do, are not this user's."""
    if atoms is None:
        with pytest.raises(RotationError, match="grants-unreadable"):
            read(line)
    else:
        assert read(line) == Counter(atoms)


@pytest.mark.parametrize(
    "line",
    [
        "REVOKE SELECT ON `mysql`.* FROM `app`@`%`",
        "GRANT SELECT ON `shop` TO `app`@`%`",
        "GRANT",
        "GRANT SELECT (`a` ON x.y",
        "\x01",
    ],
)
def test_what_is_not_understood_is_an_error(line: str) -> None:
    """A partial revoke, or whatever a later server shows, ends the rotation instead of being left out; its text isn't told."""
    with pytest.raises(RotationError, match="grants-unreadable") as caught:
        read(line)
    assert "shop" not in str(caught.value)


def test_only_what_is_missing_is_granted() -> None:
    """One statement for each object, columns and GRANT OPTION with it."""
    source = read(
        "GRANT SELECT (`customer`, `id`), DELETE ON `shop`.`orders` TO `app`@`%` WITH GRANT OPTION",
        "GRANT SELECT ON `%a`.* TO `app`@`%`",
    )
    twin = read("GRANT SELECT (`id`) ON `shop`.`orders` TO `app`@`%`")
    assert texts(source, twin) == [
        "GRANT SELECT ON `%%a`.* TO %s@%s",
        "GRANT DELETE, SELECT (`customer`) ON `shop`.`orders` TO %s@%s WITH GRANT OPTION",
    ]


def test_what_is_too_much_is_revoked() -> None:
    """Privileges, columns, the GRANT OPTION alone, roles and their ADMIN OPTION, the default role."""
    source = read("GRANT SELECT ON `shop`.`orders` TO `app`@`%`", "GRANT `reader` TO `app`@`%`")
    twin = source + read(
        "GRANT INSERT (`id`), DROP ON `shop`.`orders` TO `app`@`%` WITH GRANT OPTION",
        "GRANT `writer` TO `app`@`%`",
        "SET DEFAULT ROLE `writer` FOR `app`@`%`",
    )
    twin[Atom(grants.ROLE, "`reader`", grants.ADMIN)] += 1
    assert texts(source, twin) == [
        "REVOKE DROP, GRANT OPTION, INSERT (`id`) ON `shop`.`orders` FROM %s@%s",
        "REVOKE ADMIN OPTION FOR `reader` FROM %s@%s",
        "REVOKE `writer` FROM %s@%s",
        "SET DEFAULT ROLE NONE FOR %s@%s",
    ]


def test_everything_covers_its_parts() -> None:
    """Who gets ALL PRIVILEGES keeps what it has of them; who loses ALL gets its part anew, after that."""
    everything, part = read("GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`"), read("GRANT SELECT ON `shop`.* TO `app`@`%`")
    assert texts(everything, part) == ["GRANT ALL PRIVILEGES ON `shop`.* TO %s@%s"]
    assert texts(part, everything) == ["REVOKE ALL PRIVILEGES ON `shop`.* FROM %s@%s", "GRANT SELECT ON `shop`.* TO %s@%s"]


def test_a_default_role_is_granted_before_it_is_set() -> None:
    """Servers refuse a default role that the user doesn't have; what the user may do for itself is said."""
    source = read("SET DEFAULT ROLE `reader` FOR `app`@`%`", "GRANT `reader` TO `app`@`%`")
    made = grants.alike(source, Counter(), mariadb=True)
    assert [statement.text for statement in made] == ["GRANT `reader` TO %s@%s", "SET DEFAULT ROLE `reader` FOR %s@%s"]
    assert [statement.own for statement in made] == ["", "SET DEFAULT ROLE `reader`"]


def test_each_statement_says_what_its_executor_needs() -> None:
    """So that a missing privilege ends in the grant to give."""
    source = read(
        "GRANT SELECT (`id`) ON `shop`.`orders` TO `app`@`%`",
        "GRANT `reader` TO `app`@`%`",
        "GRANT PROXY ON `x`@`%` TO `app`@`%`",
    )
    needed = [statement.needed for statement in grants.alike(source, Counter(), mariadb=True)]
    assert needed == [
        "GRANT SELECT (`id`) ON `shop`.`orders` TO {0} WITH GRANT OPTION",
        "GRANT PROXY ON `x`@`%` TO {0} WITH GRANT OPTION",
        "GRANT `reader` TO {0} WITH ADMIN OPTION",
    ]


def test_proxies_and_mysqls_roles() -> None:
    """A proxy's GRANT OPTION is revoked by revoking the proxy; MySQL has no REVOKE ADMIN OPTION."""
    plain, more = read("GRANT PROXY ON `x`@`y` TO `app`@`%`"), read("GRANT PROXY ON `x`@`y` TO `app`@`%` WITH GRANT OPTION")
    assert texts(plain, more) == ["REVOKE PROXY ON `x`@`y` FROM %s@%s", "GRANT PROXY ON `x`@`y` TO %s@%s"]
    assert texts(more, plain) == ["GRANT PROXY ON `x`@`y` TO %s@%s WITH GRANT OPTION"]
    assert texts(Counter(), plain) == ["REVOKE PROXY ON `x`@`y` FROM %s@%s"]
    member, admin = read("GRANT `r`@`%` TO `app`@`%`"), read("GRANT `r`@`%` TO `app`@`%` WITH ADMIN OPTION")
    assert texts(member, admin, mariadb=False) == ["REVOKE `r`@`%%` FROM %s@%s", "GRANT `r`@`%%` TO %s@%s"]
    default = Counter([Atom(grants.DEFAULT_ROLE, "`a`@`%`, `b`@`%`", grants.MEMBER)])
    assert texts(default, Counter(), mariadb=False) == ["SET DEFAULT ROLE `a`@`%%`, `b`@`%%` TO %s@%s"]


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=32)
)
def test_any_name_comes_back(name: str) -> None:
    """An object's name with quotes, backticks, blanks or letters from anywhere is read and written alike."""
    line = f"GRANT SELECT ON {grants.quoted(name)}.{grants.quoted(name)} TO {grants.quoted(name)}@`%`"
    target = f"{grants.quoted(name)}.{grants.quoted(name)}"
    assert grants.parse(line, name, "%") == Counter([Atom("", target, "SELECT")])
