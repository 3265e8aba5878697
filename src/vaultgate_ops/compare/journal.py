"""What a run has done so far, on disk, so that an interrupted one goes on where it was; and the folder that it is in.

Rules: a file for each step that is done, whole or not there; what a step observed is in it, never a secret. A journal belongs
to one run: the same mode, target, choice and sources; another one begins anew. The folder is ours if it bears our mark;
nothing is written into any other without `force`. With it, files of the names in `WRITTEN` are overwritten, as whoever forces
it has been told; nothing else that isn't ours is touched.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import Missing, UsageProblem
from vaultgate_ops.local.certificates import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MARK = ".vaultgate-compare"
JOURNAL = ".vaultgate-journal"
"""Its name is ours alone: whatever is in there may be deleted, also in a folder that is somebody else's."""
RESULT = "result.json"
WRITTEN = ("index.html", "result.md", "result.csv", RESULT)
"""What a comparison leaves in its folder for people."""
_RUN = "run.json"


def claim(folder: Path, *, force: bool) -> None:
    """Make a folder ours, if it is empty, absent or ours already.

    Args:
        folder: where results go.
        force: take one with others' files in it as well; those named as in `WRITTEN` will be overwritten.

    Raises:
        UsageProblem: somebody else's files are in it, or it is no folder.
        Missing: it can't be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageProblem(f"{folder} is a file.", "Name a folder: --output FOLDER.")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists() and not force:
            theirs = ", ".join(name for name in WRITTEN if (folder / name).exists())
            lost = f"{theirs} in it would be overwritten" if theirs else "nothing in it would be overwritten"
            raise UsageProblem(
                f"{folder} is not empty, and no comparison made it.",
                f"Name another with --output, or add --force: {lost}.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text("Made by vaultgate compare.\n", encoding="ascii")
    except OSError as error:
        raise Missing(f"{folder} can't be written: {error.strerror}.", "Mend its rights, or name another: --output.") from error


class Journal:
    """The journal of a folder that is ours.

    Args:
        folder: see `claim`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / JOURNAL

    def begin(self, run: Mapping[str, Any]) -> int:
        """Go on with this run, or begin it: gives how many steps are done.

        Args:
            run: what makes it this run and no other; JSON.
        """
        mine = json.loads(json.dumps(run))
        known: object = None
        if (self._folder / _RUN).exists():
            known = json.loads((self._folder / _RUN).read_text(encoding="utf-8"))
        if known != mine:
            self.clear()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._folder / _RUN, json.dumps(mine).encode())
        return sum(len(steps) for steps in self.observed().values())

    def write(self, dimension: str, key: str, observed: Mapping[str, Any]) -> None:
        """Keep what a step saw."""
        write_private(self._folder / f"{dimension}.{key}.json", json.dumps(observed, allow_nan=False).encode())

    def observed(self) -> dict[str, dict[str, Any]]:
        """What every step that is done saw, by dimension and key."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self._folder.glob("*.*.json")):
            dimension, _, key = path.name.removesuffix(".json").partition(".")
            found.setdefault(dimension, {})[key] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def clear(self) -> None:
        """Forget the run."""
        if self._folder.is_dir():
            for path in self._folder.glob("*.json"):
                path.unlink()
