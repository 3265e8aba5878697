"""Somebody else's four functions: they rotate as a described API does, and whatever they raise is named and costs nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from tests.rotation import key_plugins
from tests.rotation.faults import Faults, Kind
from tests.rotation.key_plugins import WORDS, tokens

from vaultgate_ops.local.paths import checkout
from vaultgate_ops.rotation.api_keys import plugin
from vaultgate_ops.rotation.api_keys.functions import Surprised
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rotation.keys import Account, KeyBed

MODULE = "tests.rotation.key_plugins"


@pytest.fixture
def account(key_bed: KeyBed) -> Iterator[Account]:
    """An account that the plug-in of the operator's setting rotates; the secret only says that it is one's."""
    key_bed.variables["ROTATION_PLUGIN"] = f"{MODULE}:tokens"
    with key_bed.account(strategy="plug-in", api=None) as made:
        tokens.api, tokens.broken, tokens.how = made.keys.api, "", RuntimeError
        tokens.called.clear()
        yield made


def test_a_plugin_rotates(account: Account) -> None:
    """By its four functions and no others; two keys are live at the end, and the API knows which is the one."""
    account.rotate(3)
    state = account.state()
    assert state.stages == {"AWSCURRENT": "N-0", "AWSPENDING": "N-0", "AWSPREVIOUS": "N-1"}
    assert (state.live, state.primary) == (("N-0", "N-1"), "N-0")
    assert set(tokens.called) == {"create", "verify", "promote", "retire"}
    assert account.drop_previous() == "swept"
    assert account.state().live == ("N-0",)


@pytest.mark.parametrize("kind", [Kind.DEATH_AFTER, Kind.ANSWER_LOST])
def test_a_death_at_any_call_beside_a_plugin(account: Account, kind: Kind) -> None:
    """An orphan that its create left is shown to it again, and is ended at the second look."""
    account.rotate(2)
    clean, calls = account.state(), Faults()
    account.drive(account.begin(), calls)
    for at in range(1, len(calls.calls) + 1):
        faults = Faults(at, kind)
        account.drive(account.begin(), faults)
        assert faults.struck
        assert account.state() == clean, f"{kind.value} call {at}: {faults.calls[at - 1]}"


@pytest.mark.parametrize("how", [RuntimeError, KeyError, SystemExit], ids=lambda how: how.__name__)
@pytest.mark.parametrize("function", ["create", "verify", "promote", "retire"])
def test_a_plugin_that_raises(account: Account, function: str, how: type[BaseException]) -> None:
    """Function and exception are named, its text isn't; nothing is promoted, nothing is lost: the next attempt gets through."""
    account.rotate(2)
    clean, before, begun = account.state(), account.current, account.begin()
    tokens.broken, tokens.how = function, how
    with pytest.raises(RotationError) as caught:
        account.drive(begun, attempts=2)
    assert (caught.value.code, caught.value.message) == ("plugin-failed", f"{MODULE}:tokens: {function} raised {how.__name__}.")
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)
    assert WORDS not in said
    assert before not in said
    assert account.current == before
    assert account.admits_current()
    tokens.broken = ""
    account.drive(begun)
    assert account.state() == clean


NO_OBJECT = "gave no object of fields that JSON can hold"
GIVEN: list[tuple[str, Any, str]] = [
    ("create", None, NO_OBJECT),
    ("create", "sk-1", NO_OBJECT),
    ("create", {}, NO_OBJECT),
    ("create", {7: "a"}, NO_OBJECT),
    ("create", {"key": b"bytes"}, NO_OBJECT),
    ("create", {"key": "sk-1", "weight": float("nan")}, NO_OBJECT),
    ("create", {"strategy": "plug-in"}, "gave what is current already"),
    ("create", {"key": "sk-1", "strategy": "single"}, "gave another strategy or grace_s"),
    ("create", {"key": "sk-1", "grace_s": "soon"}, "gave another strategy or grace_s"),
    ("verify", None, "gave neither True nor False"),
    ("verify", 1, "gave neither True nor False"),
    ("retire", None, "gave neither True nor False"),
]


@pytest.mark.parametrize(("function", "given", "words"), GIVEN)
def test_a_plugin_that_gives_something_else(account: Account, function: str, given: object, words: str) -> None:
    """Function and what is wrong are named; nothing of it is stored."""
    before, begun = account.current, account.begin()
    tokens.broken, tokens.how = function, given
    with pytest.raises(RotationError) as caught:
        account.drive(begun, attempts=1)
    assert caught.value.message == f"{MODULE}:tokens: {function} {words}."
    assert account.current == before
    tokens.broken = ""
    account.drive(begun)
    assert account.admits_current()


@pytest.mark.parametrize("function", ["create", "verify", "promote", "retire"])
@pytest.mark.parametrize("ids", [(), (7,), (["k-1"],), ("k-1",)])
def test_a_plugin_that_is_surprised_where_nobody_asks_again(account: Account, function: str, ids: tuple[Any, ...]) -> None:
    """In a function that ends no key, or without saying which: it is told as any other failure of the plug-in's."""
    before = account.current
    tokens.broken, tokens.how = function, Surprised(*ids)
    with pytest.raises(RotationError) as caught:
        account.drive(account.begin(), attempts=1)
    named = ids == ("k-1",) and function in {"create", "retire"}
    assert caught.value.code == ("rotation-running" if named else "plugin-failed")
    assert account.current == before


@pytest.mark.parametrize("name", [MODULE + ":tokens", MODULE + ":Made", "tests.rotation:key_plugins"])
def test_what_can_be_a_plugin(name: str) -> None:
    """An object, a class without arguments, a module."""
    assert isinstance(plugin.load(name), plugin.Plugin)


def test_a_plugin_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package names it in the group vaultgate.rotation."""
    installed = tmp_path / "somebody-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[vaultgate.rotation]\nsomebodys = {MODULE}:Made\nours = {MODULE}:Half\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(plugin.load("somebodys"), plugin.Plugin)
    with pytest.raises(RotationError, match="'ours': it has no promote, retire"):
        plugin.load("ours")


UNFIT = [
    ("no.such.module:attribute", "loading it raised ModuleNotFoundError"),
    (MODULE + ":nothing", "loading it raised AttributeError"),
    (MODULE + ":Explosive", "loading it raised RuntimeError"),
    (MODULE + ":Half", "it has no promote, retire"),
    (MODULE + ":explode", "it has no create, verify, promote, retire"),
    (":", "loading it raised ValueError"),
    ("no-such-entry-point", "0 entry points of vaultgate.rotation have this name"),
]


@pytest.mark.parametrize(("name", "words"), UNFIT)
def test_what_can_be_none(key_bed: KeyBed, name: str, words: str) -> None:
    """The function's init ends with the setting, its value and what is wrong; what was raised isn't quoted."""
    key_bed.variables["ROTATION_PLUGIN"] = name
    with pytest.raises(RotationError) as caught:
        key_bed.engine(Faults())
    assert (caught.value.code, caught.value.message) == ("settings-wrong", f"ROTATION_PLUGIN={name!r}: {words}.")
    assert WORDS not in str(caught.value)


def test_no_secret_names_the_code(key_bed: KeyBed) -> None:
    """Without the operator's setting there is no plug-in, whatever the secret says of one; nothing is imported for it."""
    named = {"plugin": f"{MODULE}:tokens", "ROTATION_PLUGIN": f"{MODULE}:tokens"}
    tokens.called.clear()
    with key_bed.account(strategy="plug-in", **named) as account, pytest.raises(RotationError) as caught:
        account.drive(account.begin(), attempts=1)
    assert (caught.value.code, "ROTATION_PLUGIN" in caught.value.message) == ("strategy-unfit", True)
    assert tokens.called == []
    for strategy in (f"{MODULE}:tokens", "key_plugins"):
        with key_bed.account(strategy=strategy) as account, pytest.raises(RotationError, match="strategy-unknown"):
            account.drive(account.begin(), attempts=1)


def test_a_pending_value_of_another_strategy(account: Account, key_bed: KeyBed) -> None:
    """It isn't the plug-in's to promote."""
    value = {**json.loads(account.values[-1]), "strategy": "single"}
    begun = account.begin()
    key_bed.client.put_secret_value(
        SecretId=account.secret, SecretString=json.dumps(value), ClientRequestToken=begun.token, VersionStages=["AWSPENDING"]
    )
    with pytest.raises(RotationError, match="value-changed"):
        account.drive(begun, attempts=1)
    assert key_plugins.tokens.called == []


def test_the_deployed_function_has_the_plug_in(tmp_path: Path) -> None:
    """What lies in plugins/ goes into the rotation function, and into no other one; the page that says so stays behind."""
    (tmp_path / "src").mkdir()
    shutil.copy(checkout() / "src" / "Makefile", tmp_path / "src")
    (tmp_path / "src" / "vaultgate_ops").symlink_to(checkout() / "src" / "vaultgate_ops")
    (tmp_path / "plugins" / "billing").mkdir(parents=True)
    shutil.copy(checkout() / "plugins" / "README.md", tmp_path / "plugins")
    for name in ("billing_keys.py", "billing/__init__.py"):
        (tmp_path / "plugins" / name).touch()
    found = {}
    for function in ("RotationFunction", "OverdueFunction", "ParameterRotationFunction"):
        target = tmp_path / "it's built" / function
        target.mkdir(parents=True)
        # `true` in Python's place: what pip would bring isn't looked for.
        words = ["make", "-f", str(tmp_path / "src" / "Makefile"), f"build-{function}", f"ARTIFACTS_DIR={target}", "PYTHON=true"]
        subprocess.run(words, check=True, capture_output=True, cwd=tmp_path)
        found[function] = sorted(path.name for path in target.iterdir())
    assert found == {
        "RotationFunction": ["billing", "billing_keys.py", "vaultgate_ops"],
        "OverdueFunction": ["vaultgate_ops"],
        "ParameterRotationFunction": ["vaultgate_ops"],
    }
