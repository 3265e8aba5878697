"""The layer as a zip, as `PublishLayerVersion` takes it.

Rules: the same files give the same bytes, whenever and wherever they are packed by the same zlib: sorted, with one time and with
the modes that they have. Unpacked, they are what Lambda puts on /opt, modes included.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name
_UNIX = 3


def files(folder: Path) -> list[Path]:
    """Every file below a folder, in an order that doesn't depend on the file system."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def mode(file: Path) -> int:
    """Its permission bits."""
    return stat.S_IMODE(file.stat().st_mode)


def pack(folder: Path, archive: Path) -> None:
    """Zip a folder."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in files(folder):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (stat.S_IFREG | mode(file)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.read_bytes())


def unpack(archive: Path, folder: Path) -> None:
    """Unzip into a folder as Lambda does, which Python's own `extractall` doesn't: it forgets the modes."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            Path(packed.extract(entry, folder)).chmod(stat.S_IMODE(entry.external_attr >> 16))


def sha256(archive: Path) -> str:
    """Its hash in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def code_sha256(content: bytes) -> str:
    """The hash of an archive's bytes as Lambda shows it (`CodeSha256`): in base64."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
