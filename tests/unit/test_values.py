"""What each kind of setting takes, and in which words it refuses: they follow the variable's name and value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from vaultgate import values
from vaultgate.model import Origin
from vaultgate.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Callable


def start(text: str) -> str:
    """A choice of two words, made when it is asked for: mutants live in functions that are called anew."""
    return values.choice("overlap", "early")(text)


TEN_YEARS = 10 * 365 * 86_400
RATE = "is not a rate such as 10 or 10:20, requests per second and how many at once, both more than zero"

TAKEN = [
    (values.duration, str(TEN_YEARS), TEN_YEARS),
    (values.positive_duration, "1ns", 1e-9),
    (values.rate_limit, "10", (10.0, 10)),
    (values.rate_limit, "2.5", (2.5, 2)),
    (values.rate_limit, "0.5", (0.5, 1)),
    (values.rate_limit, "10:20", (10.0, 20)),
    (values.rate_limit, "1:1", (1.0, 1)),
    (values.count, "0", 0),
    (values.count, "12", 12),
    (values.word, "a b", "a b"),
    (values.mount, "aws", "aws"),
    (values.mount, "/team/aws/", "team/aws"),
    (values.mount, "XX", "XX"),
    (start, "overlap", "overlap"),
    (start, "EARLY", "early"),
    (values.origin, "http://a:1", Origin("http", "a", 1)),
    (values.origin, "https://a:65535", Origin("https", "a", 65535)),
    (values.origin, "http://a", Origin("http", "a", 80)),
    (values.origin, "https://A.b-C_d/x/Y//", Origin("https", "A.b-C_d", 443, "/x/Y")),
    (values.origin, "https://a/X", Origin("https", "a", 443, "/X")),
    (values.origin, "https://[2001:DB8::1]:8200", Origin("https", "2001:DB8::1", 8200)),
    (values.origin, "https://X", Origin("https", "X", 443)),
    (values.origin, "https://vault.example.com.", Origin("https", "vault.example.com.", 443)),
    (values.origin, "https://" + "a" * 63, Origin("https", "a" * 63, 443)),
    (values.addresses, "https://b:8200", ((Origin("https", "b", 8200), None),)),
    (
        values.addresses,
        "https://b:8200 , https://c/X#id#2",
        ((Origin("https", "b", 8200), None), (Origin("https", "c", 443, "/X"), "id#2")),
    ),
    (values.listen_address, "127.0.0.1:8200", ("127.0.0.1", 8200)),
    (values.listen_address, "[::1]:8200", ("::1", 8200)),
    (values.role_arn, "arn:aws-cn:iam::123456789012:role/a/b", "arn:aws-cn:iam::123456789012:role/a/b"),
    (values.cache_rules, "secret/*=5s", (("secret/*", 5.0),)),
    (values.cache_rules, " /v1/a=b/* = 1m , c=0", (("a=b/*", 60.0), ("c", 0.0))),
    (values.path_rules, "secret/*", (("", "secret/*"),)),
    (values.path_rules, " get  /v1/secret/* ,PUT a/b/,HEAD *", (("GET", "secret/*"), ("POST", "a/b"), ("GET", "*"))),
    (values.path_rules, "get a/b c,a/b c,d*/e f", (("GET", "a/b c"), ("", "a/b c"), ("", "d*/e f"))),
    (values.secret_path, "Secret/Data/A b", "/v1/Secret/Data/A%20b"),
    (values.secret_path, "/v1/v1/a\xe4", "/v1/v1/a%C3%A4"),
    (values.secret_path, "v1/a/b", "/v1/a/b"),
    (values.secret_path, "a/b?Version=2", "/v1/a/b?Version=2"),
    (values.file_path, "/srv/a", "/srv/a"),
    (values.secret_file, "/srv/a", "/srv/a"),
    (values.secret_file, "a.json", "/tmp/vault/a.json"),  # noqa: S108 - HashiCorp's place for it
    (values.file_mode, "0640", 0o640),
    (values.file_mode, "0o400", 0o400),
    (
        values.template,
        "{{a/b#c}}{{ #d }}-{{ e/f # g h }}",
        (("", "/v1/a/b", "c"), ("", "", "d"), ("-", "/v1/e/f", "g h"), ("", "", "")),
    ),
    (values.template, "u={{ a/b#c }}.", (("u=", "/v1/a/b", "c"), (".", "", ""))),
]
REFUSED = [
    (values.duration, "soon", "is not a duration such as 10s, 5m, 1h30m or plain seconds"),
    (values.duration, str(TEN_YEARS + 1), "is longer than ten years"),
    (values.positive_duration, "0s", "must be longer than zero"),
    *[(values.rate_limit, text, RATE) for text in ("fast", "", "0", "10:0", "10:", ":5", "-1", "1.", "10:2.5", "\u0663")],
    (values.size, "8 apples", "is not a size such as 8MiB, 500KB or plain bytes"),
    (values.boolean, "maybe", "is neither true nor false"),
    (values.count, "-1", "is not a whole number"),
    (values.word, "\xe4", "holds a character that is not printable ASCII"),
    (values.mount, "a//b", "is not a mount such as aws or team/aws"),
    (start, "late", "must be one of overlap, early"),
    (values.origin, "vault", "is not a URL such as https://vault.example.com:8200"),
    (values.origin, "https://a:0", "has no port between 1 and 65535"),
    (values.origin, "https://a:65536", "has no port between 1 and 65535"),
    (values.origin, "https://a..b", "names a host that DNS can't know: a part between its dots is empty or too long"),
    (values.origin, "https://.a", "names a host that DNS can't know: a part between its dots is empty or too long"),
    (values.origin, "https://" + "a" * 64, "names a host that DNS can't know: a part between its dots is empty or too long"),
    (values.addresses, "https://b,https://c#", "has an address whose server id, behind its #, is empty"),
    (values.addresses, "https://b,c", "has an address that is not a URL such as https://vault.example.com:8200"),
    (values.addresses, "https://b#\xe4", "has an address that holds a character that is not printable ASCII"),
    (values.listen_address, "0.0.0.0:8200", "is not a loopback address such as 127.0.0.1:8200"),
    (values.role_arn, "records", "is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME"),
    (
        values.role_arn,
        "arn:aws:iam::12345678901\u0662:role/a",
        "is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME",
    ),
    (values.cache_rules, "a=5s, secret/* ", "has a rule that is not glob=duration: 'secret/*'"),
    (
        values.cache_rules,
        "a=5s,b= soon",
        "has a rule whose time 'soon' is not a duration such as 10s, 5m, 1h30m or plain seconds",
    ),
    (values.path_rules, "a,FETCH b", "has a rule with the method 'FETCH': use one of GET, LIST, POST, PATCH, DELETE, HEAD, PUT"),
    (values.path_rules, "a, DELETE", "has a rule with a method where its path should be: 'DELETE'"),
    (values.path_rules, "GET PUT a", "has a rule with a method where its path should be: 'PUT a'"),
    (values.path_rules, "a, b//c ", "has a rule that no path fits: 'b//c'"),
    (values.secret_path, "a//b", "is not a secret's path such as secret/data/app"),
    (values.secret_path, "a?b#c", "has a query that is not plain, such as ?version=2"),
    (values.file_path, "srv/a", "is not the absolute path of a file, such as /tmp/vault/secret.json"),
    (values.file_path, "", "is not the absolute path of a file, such as /tmp/vault/secret.json"),
    (values.file_mode, "0O640", "is not a file's mode such as 0600 or 0640; its owner must be able to read it"),
    (values.template, "plain", "is not a template: each place a secret goes to is written {{ path#field }}"),
]


@pytest.mark.parametrize(("parse", "text", "value"), TAKEN, ids=[text for _, text, _ in TAKEN])
def test_taken(parse: Callable[[str], object], text: str, value: object) -> None:
    """A text that fits becomes its value."""
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "words"), REFUSED, ids=[ascii(text) for _, text, _ in REFUSED])
def test_refused(parse: Callable[[str], object], text: str, words: str) -> None:
    """A text that doesn't fit is refused in words that say what would."""
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        parse(text)


@pytest.mark.parametrize(
    ("variable", "ending"),
    [
        ("FILE_MODE", ""),
        ("FILE_A_MODE", "_A"),
        ("FILE_AB_MODE", "_AB"),
        ("FILE__MODE", None),
        ("FILE_MODE_MODE", "_MODE"),
        ("FILEA_MODE", None),
        ("FILE_A_MODES", None),
        ("FILE_A", None),
        ("A_MODE", None),
        ("OTHER", None),
    ],
)
def test_which_file_a_variable_is_for(variable: str, ending: str | None) -> None:
    """A setting that each file may have is known by its beginning and its end; what stands between is the file's own name."""
    assert Setting("FILE_MODE", str, None, "the mode", "FILE[_X]_MODE").ending(variable) == ending


def test_a_setting_of_its_own() -> None:
    """A setting that no file may have of its own is known by its whole name only, and shown by it."""
    setting = Setting("MODE", str, "0600", "the mode")
    assert (setting.name, setting.parse, setting.default, setting.meaning, setting.shown) == (
        "MODE",
        str,
        "0600",
        "the mode",
        "MODE",
    )
    assert [setting.ending(name) for name in ("MODE", "MODE_X", "MOD", "")] == ["", None, None, None]
