"""What the containers find in their volumes before any of them starts.

Rules: a secret is drawn once and lies only in volumes of the containers that need it; running it again changes nothing
but what a newer image brings (the layer, the function); volumes of another layout are refused before anything is written.
No certificate authority's key is kept: when certificates near their end, everything is signed anew.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from cryptography import x509

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.certificates import Authority, write_private

FORMAT = "1"
"""Layout of the volumes; docker-compose.yml carries it as a label. Raise both when old volumes no longer fit."""

ROOT_PASSWORD, VAULT_PASSWORD = "mysql-root-password", "vault-admin-password"
ROOT_TOKEN, UNSEAL_KEY = "root-token", "unseal-key"
CA = "ca.pem"

_MARKER = "format"
_RENEW_BEFORE = dt.timedelta(days=30)
_START_ANEW = "Remove them and start anew: vaultgate down, or docker compose down --volumes."
_SERVER = {
    "storage": {"file": {"path": "/srv/vault/storage"}},
    "listener": {
        "tcp": {
            "address": "0.0.0.0:8200",
            "tls_cert_file": "/srv/vault/config/vault.pem",
            "tls_key_file": "/srv/vault/config/vault.key",
        }
    },
    "api_addr": "https://vault:8200",
    # The container has no privilege to lock memory.
    "disable_mlock": True,
    "disable_clustering": True,
}


def prepare(volumes: Path, built: Path, mysql_uid: int) -> None:
    """Fill the volumes.

    Args:
        volumes: the folder they are mounted under, each by its name in docker-compose.yml.
        built: holds ``layer/`` and ``task/`` as the image brought them.
        mysql_uid: user id of the server in the MySQL image; its key and password file are that user's.

    Raises:
        CheckFailed: the volumes are of another version, or some are missing.
    """
    keys = volumes / "keys"
    _check_format(volumes)
    write_private(keys / _MARKER, FORMAT.encode())
    for name in (ROOT_PASSWORD, VAULT_PASSWORD):
        if not (keys / name).exists():
            write_private(keys / name, secrets.token_urlsafe().encode())
    if not _certified(volumes / "trust" / CA):
        _certify(volumes, mysql_uid)
    write_private(volumes / "vault-config/server.json", json.dumps(_SERVER, indent=2).encode())
    _give(volumes / "mysql-config/root-password", (keys / ROOT_PASSWORD).read_bytes(), mysql_uid)
    for name in ("layer", "task"):
        _mirror(built / name, volumes / name)


def _check_format(volumes: Path) -> None:
    marker = volumes / "keys" / _MARKER
    found = marker.read_text(encoding="ascii") if marker.exists() else None
    if found not in (None, FORMAT):
        raise CheckFailed(f"The volumes are of format {found}, this Vaultgate's are of format {FORMAT}.", _START_ANEW)
    used = [name for name in ("vault-storage", "mysql-storage") if any((volumes / name).iterdir())]
    if found is None and used:
        raise CheckFailed(f"The volume {used[0]} is in use, but its keys are gone.", _START_ANEW)


def _certified(ca_file: Path) -> bool:
    if not ca_file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
    return certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + _RENEW_BEFORE


def _certify(volumes: Path, mysql_uid: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority.create(Path(folder))
        trusted = authority.certificate_file.read_bytes()
        for name, owner in (("vault", os.geteuid()), ("mysql", mysql_uid)):
            issued = authority.issue(name, [name, "localhost", "127.0.0.1"])
            place = volumes / f"{name}-config"
            _give(place / issued.certificate.name, issued.certificate.read_bytes(), owner)
            _give(place / issued.key.name, issued.key.read_bytes(), owner)
            _give(place / CA, trusted, owner)
    # Last: it says that the others are there.
    write_private(volumes / "trust" / CA, trusted)
    (volumes / "trust" / CA).chmod(0o644)


def _give(path: Path, content: bytes, owner: int) -> None:
    """Write a file of mode 0600 that belongs to somebody else."""
    write_private(path, content)
    if owner != os.geteuid():
        os.chown(path, owner, owner)


def _mirror(source: Path, target: Path) -> None:
    """Make a volume hold what a folder holds, unless it does already: the function may be running from it."""
    if _contents(source) == _contents(target):
        return
    for old in target.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
