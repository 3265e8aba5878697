"""What a secret looks like in a file: judged by whoever will read it, a shell and Java's rules among them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate.errors import ConfigurationError, Denied, NotFound, VaultgateError
from vaultgate.file_plan import FilePlan
from vaultgate.rendering import explain, fields_of, render
from vaultgate.values import template

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "/v1/secret/data/app"
NASTY = [
    "",
    " ",
    "plain",
    "it's",
    "''",
    'say "hi"',
    "$HOME ${HOME} $(id) `id`",
    "back\\slash\\",
    "\\'",
    "line\nbreak\n",
    "\n\n",
    "\r\n\t\f\v",
    "#no comment",
    "!neither",
    "a=b:c d",
    "  ends  ",
    "; rm -rf x & | < > * ? ~ [a] {b}",
    "äöü € 😀 \u2028",
    "".join(map(chr, range(1, 128))),
    "$'\\x41'",
    "\\u0041",
]


def kv(fields: dict[str, Any]) -> dict[str, Any]:
    """Vault's answer for a secret of KV version 2."""
    data = {"data": fields, "metadata": {"version": 3, "created_time": "2026-11-21T12:00:00Z"}}
    return {"request_id": "1", "lease_id": "", "lease_duration": 0, "renewable": False, "data": data}


def lease(**fields: Any) -> dict[str, Any]:
    """Vault's answer for a leased secret."""
    head = {"request_id": "1", "lease_id": "database/creds/app/x", "lease_duration": 600, "renewable": True}
    return head | {"data": fields, "wrap_info": None, "warnings": None, "auth": None, "mount_type": "database"}


def rendered(form: str, document: dict[str, Any], text: str = "{{ #a }}", **others: dict[str, Any]) -> bytes:
    """The file's bytes."""
    places = template(text) if form == "template" else ()
    plan = FilePlan("VAULT_SECRET_PATH_APP", TARGET, "/srv/app", form=form, places=places)
    return render(plan, {TARGET: document} | {f"/v1/{path}": answer for path, answer in others.items()})


def sourced(folder: Path, content: bytes, names: list[str]) -> list[str]:
    """What a real sh finds in variables after reading a file."""
    file = folder / "app.env"
    file.write_bytes(content)
    script = '. "$1"\n' + "".join(f"printf '%s\\0' \"${name}\"\n" for name in names)
    run = subprocess.run(["sh", "-eu", "-c", script, "sh", str(file)], env={}, capture_output=True, check=True, timeout=20)
    assert run.stderr == b""
    return run.stdout.decode().split("\0")[:-1]


def loaded(content: bytes) -> dict[str, str]:
    """What java.util.Properties.load(InputStream) finds, by its documentation."""
    natural = re.split(r"\r\n|\r|\n", content.decode("latin-1"))
    found: dict[str, str] = {}
    while natural:
        line = natural.pop(0).lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        while (len(line) - len(line.rstrip("\\"))) % 2:
            line = line[:-1] + (natural.pop(0).lstrip(" \t\f") if natural else "")
        match = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", line, re.DOTALL)
        assert match is not None
        found[unescaped(match[1])] = unescaped(match[2])
    return found


def unescaped(text: str) -> str:
    """A key or a value without its escapes; UTF-16 units are put together."""
    letters = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
    plain = re.sub(
        r"\\u([0-9a-fA-F]{4})|\\(.)",
        lambda escape: chr(int(escape[1], 16)) if escape[1] else letters.get(escape[2], escape[2]),
        text,
        flags=re.DOTALL,
    )
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


def test_json_is_vaults_secret() -> None:
    """`json` is Vault's answer with the names that HashiCorp's extension writes; what is empty of the others is left out."""
    answer = lease(username="u", password="p")
    written = json.loads(rendered("json", answer))
    assert written == {name: value for name, value in answer.items() if name not in {"auth", "wrap_info"}}
    assert json.loads(rendered("json", kv({"a": "b"}))) == kv({"a": "b"})


def test_data_is_the_fields() -> None:
    """`data` is the secret's fields alone, those of KV version 2 without its metadata."""
    assert json.loads(rendered("data", lease(username="u", password="p"))) == {"username": "u", "password": "p"}
    assert json.loads(rendered("data", kv({"a": {"b": [1, None]}}))) == {"a": {"b": [1, None]}}


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "x", "metadata": {"version": 1}, "more": 1},
        {"data": {"x": 1}, "metadata": "mine"},
        {"data": {"x": 1}, "metadata": {}},
        {"data": {"x": "1"}},
    ],
)
def test_fields_named_like_kvs_are_fields(fields: dict[str, Any]) -> None:
    """A secret that only looks like KV version 2's is taken as it is."""
    assert fields_of(lease(**fields)) == fields


def test_env_in_a_real_shell(tmp_path: Path) -> None:
    """Whatever stands in a value, sh finds exactly that in the variable, and runs nothing."""
    names = [f"V{number}" for number in range(len(NASTY))]
    content = rendered("env", kv(dict(zip(names, NASTY, strict=True))))
    assert sourced(tmp_path, content, names) == NASTY


def test_env_of_what_is_no_text(tmp_path: Path) -> None:
    """Numbers, truth and structures come as JSON writes them, nothing as nothing."""
    fields = {"A": 5, "B": True, "C": None, "D": {"x": "it's"}, "E": 1.5}
    assert sourced(tmp_path, rendered("env", lease(**fields)), list(fields)) == ["5", "true", "", '{"x": "it\'s"}', "1.5"]


@pytest.mark.parametrize("name", ["db-password", "ca.pem", "1st", "", "A B", "x;id", "a\nb", "ä", "A=1"])
def test_env_refuses_what_is_no_name(name: str) -> None:
    """A field that no variable can be named after is an error that names it, the variable to change, and no value."""
    with pytest.raises(ConfigurationError) as caught:
        rendered("env", kv({"fine": "x", name: "made-up-secret"}))
    assert "VAULT_SECRET_PATH_APP" in str(caught.value)
    assert repr(name) in str(caught.value)
    assert "made-up-secret" not in str(caught.value)


def test_env_refuses_a_zero_byte() -> None:
    """No variable can hold one; cutting the value short would be worse than an error."""
    with pytest.raises(ConfigurationError, match="the field 'A', which holds a zero byte"):
        rendered("env", kv({"A": "a\0b"}))


@pytest.mark.parametrize("form", ["env", "template"])
def test_what_is_no_text_is_refused(form: str) -> None:
    """Half a surrogate pair, which JSON may hold, can't be written as UTF-8."""
    with pytest.raises(ConfigurationError, match="no Unicode text"):
        rendered(form, kv({"a": "\ud800"}))


def test_properties_of_nasty_values() -> None:
    """Java finds what Vault holds, in keys too, in a file of plain ASCII."""
    fields = dict(zip([*NASTY[::-1]], NASTY, strict=True))
    content = rendered("properties", kv(fields))
    assert content.isascii()
    assert loaded(content) == fields


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4))
def test_properties_of_anything(fields: dict[str, str]) -> None:
    """Any text comes back, whatever the key."""
    assert loaded(rendered("properties", kv(fields))) == fields


def test_template_of_several_paths() -> None:
    """Each place is filled from its path, the file's own where none is named, and everything else stays as it is."""
    text = ' u={{#user}}\n{"p": {"x": "{{  database/creds/app # password }}"}}{{{#user}}}\n'
    words = rendered("template", kv({"user": "it's {{ #user }}"}), text, **{"database/creds/app": lease(password="p$")})
    assert words.decode() == ' u=it\'s {{ #user }}\n{"p": {"x": "p$"}}{it\'s {{ #user }}}\n'


def test_template_names_a_missing_field() -> None:
    """A misspelt field is an error with the path, the fields there are and the nearest one, not an empty place."""
    with pytest.raises(NotFound) as caught:
        rendered("template", kv({"password": "made-up-secret", "user": "u"}), "{{ #pasword }}")
    assert caught.value.message == "'secret/data/app' has no field 'pasword'"
    assert caught.value.hint == "did you mean 'password'? its fields are password, user"
    with pytest.raises(NotFound, match="is null"):
        rendered("template", kv({"a": None}))


REFUSED = Denied("Vault denies it", "grant the path"), NotFound("Vault has nothing there", "check the path")
KV1, KV2 = {"type": "kv", "options": {"version": "1"}}, {"type": "kv", "options": {"version": "2"}}


@pytest.mark.parametrize("error", REFUSED)
@pytest.mark.parametrize(
    ("path", "mount", "words", "hint"),
    [
        ("secret/app", KV2, "'secret/' is a KV mount of version 2", "the path is likely secret/data/app"),
        ("secret/team/app", KV2, "version 2", "the path is likely secret/data/team/app"),
        ("secret/data/app", KV1, "version 1", "the path is likely secret/app"),
        ("secret/data/app", {"type": "kv", "options": None}, "version 1", "the path is likely secret/app"),
    ],
)
def test_likely_path(error: VaultgateError, path: str, mount: dict[str, Any], words: str, hint: str) -> None:
    """A path that is wrong for the mount's version of KV is told with that version and the path that was likely meant."""
    told = explain(error, path, {"path": "secret/"} | mount)
    assert type(told) is type(error)
    assert told.message.startswith(error.message)
    assert words in told.message
    assert told.hint == hint


@pytest.mark.parametrize("mount", [{"type": "database", "path": "secret/"}, {"type": "kv", "path": "other/"}, {"type": "kv"}, {}])
def test_other_mounts_explain_nothing(mount: dict[str, Any]) -> None:
    """Where the mount is none of KV's the error stays as it is."""
    assert explain(REFUSED[1], "secret/app", mount) is REFUSED[1]


def test_right_path_with_nothing_there() -> None:
    """A path of the right form is not corrected."""
    told = explain(REFUSED[1], "secret/data/app", {"path": "secret/"} | KV2)
    assert "version 2" in told.message
    assert told.hint == "check the name: nothing is at secret/data/app"
    assert explain(REFUSED[0], "secret/data/app", {"path": "secret/"} | KV2).hint == "grant the path"
