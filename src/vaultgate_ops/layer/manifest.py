"""What a layer says of itself: ``/opt/vaultgate-layer.json``.

Rules: it holds what tells one artefact from another, and nothing that a second build of the same would have otherwise: no time,
no place, no machine. It names the release of each interpreter, because another one may compile otherwise: whoever builds
it again to compare needs the same. `extension/Makefile` writes the same file for SAM.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.layer.interpreters import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "vaultgate-layer.json"
ARCHITECTURES = ("arm64", "x86_64")
"""Lambda's, as `CompatibleArchitectures` spells them. Nothing in the layer is machine code: they are what it is declared for."""

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Manifest:
    """One artefact.

    Attributes:
        version: of Vaultgate.
        architectures: what it is declared for.
        bytecode: the release of the interpreter that compiled, such as ``3.13.1``, by version, such as ``3.13``.
        sources: whether the modules' sources are in it, so that versions without bytecode can run it as well.
    """

    version: str
    architectures: tuple[str, ...]
    bytecode: Mapping[str, str]
    sources: bool

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Lambda's names of the runtimes that can use it."""
        return tuple(f"python{version}" for version in VERSIONS if self.sources or version in self.bytecode)

    @property
    def text(self) -> str:
        """The file's content."""
        document = {
            "architectures": list(self.architectures),
            "bytecode": dict(self.bytecode),
            "name": "vaultgate",
            "sources": self.sources,
            "version": self.version,
        }
        return json.dumps(document, sort_keys=True) + "\n"


def read(archive: Path) -> Manifest:
    """What a zip says of itself; raises as `load`."""
    return load(archive)[1]


def load(archive: Path) -> tuple[bytes, Manifest]:
    """A zip's bytes, and what they say of themselves: the file is read once, for a build may replace it at any time.

    Raises:
        Missing: there is no such file, or it can't be read.
        CheckFailed: it is no layer of Vaultgate.
    """
    try:
        content = archive.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"There is no {archive}.", "Run: vaultgate layer build") from error
    except OSError as error:
        raise Missing(f"{archive} can't be read: {error.strerror}.", "Name the zip of a layer, and let it be read.") from error
    try:
        with zipfile.ZipFile(BytesIO(content)) as packed:
            document = json.loads(packed.read(NAME))
        return content, Manifest(
            document["version"], tuple(document["architectures"]), dict(document["bytecode"]), sources=document["sources"]
        )
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
        raise CheckFailed(f"{archive} is no layer of Vaultgate: it holds no readable {NAME}.", "Build it anew.") from error


def version_of(package: Path) -> str:
    """The version that the package in this folder names.

    Raises:
        CheckFailed: it names none.
    """
    named = _VERSION.search((package / "__init__.py").read_text(encoding="utf-8"))
    if named is None:
        raise CheckFailed(f"{package / '__init__.py'} names no __version__.")
    return named[1]
