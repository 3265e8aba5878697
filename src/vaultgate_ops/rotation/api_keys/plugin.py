"""Four functions that somebody else wrote, found by the name that the operator set.

Rules: only ROTATION_PLUGIN says which code runs, never a secret: whoever may write a value must not choose what is executed
with the function's role. What a plug-in raises is told by the function's name and the exception's type; its text may quote a
key. Errors of ours pass as they are, and `Surprised` from the two functions that end keys.
Source of entry points: Python Packaging User Guide, "Entry points specification".
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from functools import reduce
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from vaultgate_ops.rotation.api_keys.functions import Surprised
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.rotation.api_keys.functions import Functions, Keys, Value
    from vaultgate_ops.rotation.model import Change, SecretValue

GROUP = "vaultgate.rotation"
SETTING = "ROTATION_PLUGIN"
_FUNCTIONS = ("create", "verify", "promote", "retire")
_SURPRISED = ("create", "retire")
_OPERATORS = ("strategy", "grace_s")


def load(name: str) -> Plugin:
    """Find a plug-in: an object or module with the four functions, or a class that is called for one, without arguments.

    Args:
        name: ``module:attribute``, else the name of an entry point of the group ``vaultgate.rotation``.

    Raises:
        RotationError: ``settings-wrong``: there is none, it can't be imported, or it lacks a function.
    """
    try:
        found = _imported(name) if ":" in name else _entry(name)
        found = found() if isinstance(found, type) else found
    except (Exception, SystemExit) as error:
        if isinstance(error, RotationError):
            raise
        why = f"loading it raised {type(error).__name__}"
        raise _unfit(name, why, "Put it into the function's package, and see that it imports.") from None
    lacking = [function for function in _FUNCTIONS if not callable(getattr(found, function, None))]
    if lacking:
        raise _unfit(name, f"it has no {', '.join(lacking)}", "It needs create, verify, promote and retire: docs/rotation.md.")
    return Plugin(name, cast("Functions", found))


class Plugin:
    """A plug-in whose mistakes have a name.

    Args:
        name: as set.
        functions: the plug-in's.
    """

    def __init__(self, name: str, functions: Functions) -> None:
        self._name, self._functions = name, functions

    def check(self, change: Change) -> None:
        """Refuse a pending value that would be somebody else's to rotate.

        Raises:
            RotationError: ``value-changed``.
        """
        if change.pending is not None and change.pending.fields.get("strategy") != change.current.fields.get("strategy"):
            raise RotationError(
                "value-changed", "AWSPENDING differs from AWSCURRENT in: strategy.", "Take it back: vaultgate rotate repair."
            )

    def outline(self, current: SecretValue) -> list[tuple[str, str]]:  # noqa: ARG002 - what a value says is the plug-in's business
        """Who does it."""
        return [("service", f"the plug-in {self._name}"), ("key", "the current one now, one that the plug-in makes after it")]

    def rehearse(self, current: Value) -> None:
        """Nothing: none of the four functions leaves all as it is but `verify`."""

    def create(self, keys: Keys) -> Value:
        """See `Functions`."""
        made = self._call("create", lambda: self._functions.create(keys))
        if not isinstance(made, Mapping) or not made or not _storable(made):
            raise self._failed("create", "gave no object of fields that JSON can hold")
        if all(keys.current.get(name) == value for name, value in made.items()):
            raise self._failed("create", "gave what is current already")
        if any(name in made and made[name] != keys.current.get(name) for name in _OPERATORS):
            raise self._failed("create", f"gave another {' or '.join(_OPERATORS)}")
        return made

    def verify(self, value: Value) -> bool:
        """See `Functions`."""
        accepted = self._call("verify", lambda: self._functions.verify(value))
        if not isinstance(accepted, bool):
            raise self._failed("verify", "gave neither True nor False")
        return accepted

    def promote(self, keys: Keys) -> None:
        """See `Functions`."""
        self._call("promote", lambda: self._functions.promote(keys))

    def retire(self, keys: Keys) -> bool:
        """See `Functions`."""
        ended = self._call("retire", lambda: self._functions.retire(keys))
        if not isinstance(ended, bool):
            raise self._failed("retire", "gave neither True nor False")
        return ended

    def _call(self, function: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RotationError:
            raise
        except Surprised as surprise:
            if function not in _SURPRISED:
                raise self._failed(function, "was Surprised, which only create and retire may be") from None
            if not surprise.args or not all(isinstance(one, str) for one in surprise.args):
                raise self._failed(function, "was Surprised without the ids of keys, as texts") from None
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's code raises
            raise self._failed(function, f"raised {type(error).__name__}") from None

    def _failed(self, function: str, what: str) -> RotationError:
        return RotationError(
            "plugin-failed", f"{self._name}: {function} {what}.", "Correct the plug-in; the next attempt goes on from here."
        )


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return reduce(getattr, attribute.split("."), cast("Any", importlib.import_module(module)))


def _entry(name: str) -> Any:
    found = tuple(entry_points(group=GROUP, name=name))
    if len(found) != 1:
        raise _unfit(name, f"{len(found)} entry points of {GROUP} have this name", "Install the one, or write module:attribute.")
    return found[0].load()


def _storable(made: Mapping[Any, Any]) -> bool:
    try:
        json.dumps(dict(made), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(name, str) for name in made)


def _unfit(name: str, why: str, hint: str) -> RotationError:
    return RotationError("settings-wrong", f"{SETTING}={name!r}: {why}.", hint)
