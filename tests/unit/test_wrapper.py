"""What vaultgate-exec makes of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError, NotFound, Unreachable
from vaultgate.leases import Lifetime
from vaultgate.vault_secret import VaultSecret
from vaultgate.wrapper import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = Clock()


def reading(*failures: tuple[str, Exception], asked: list[str] | None = None) -> Callable[[str], VaultSecret]:
    """A Vault in which every path holds `a` and `b`, but for those that fail."""

    def read(path: str) -> VaultSecret:
        if asked is not None:
            asked.append(path)
        for of, error in failures:
            if path == of:
                raise error
        return VaultSecret(path, {"data": {"a": f"{path}-a", "b": 1}}, Lifetime(CLOCK.now(), 60), CLOCK)

    return read


def test_each_path_is_read_once_whatever_names_it() -> None:
    """What is no reference stays as it is."""
    asked: list[str] = []
    environ = {"A": "vault:one/x#a", "B": "vault:/v1/one/x#b", "C": "vault:two/y#a", "D": "vaults:one#a", "E": ""}
    assert resolve(environ, reading(asked=asked)) == {"A": "one/x-a", "B": "1", "C": "two/y-a", "D": "vaults:one#a", "E": ""}
    assert sorted(asked) == ["one/x", "two/y"]


def test_every_variable_that_cant_be_resolved_is_named() -> None:
    """Whether the reference, Vault, or we are to blame, with all of them in one error and no value in it."""
    read = reading(
        ("gone", NotFound("nothing is there")), ("away", Unreachable("nobody answers")), ("ours", RuntimeError("planted"))
    )
    environ = {"A": "vault:one#", "B": "vault:gone#a", "C": "vault:away#a", "D": "vault:ours#a", "E": "vault:fine#a"}
    with pytest.raises(ConfigurationError) as caught:
        resolve(environ, read)
    assert [problem.partition(" ")[0].partition("=")[0].rstrip(":") for problem in caught.value.problems] == ["A", "B", "C", "D"]
    assert "planted" not in str(caught.value)
    assert "fine-a" not in str(caught.value)
