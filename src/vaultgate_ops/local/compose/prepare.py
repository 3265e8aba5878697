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
from vaultgate_ops.local.vault_cluster import TIMING

FORMAT = "1"
"""Layout of the volumes; docker-compose.yml carries it as a label. Raise both when old volumes no longer fit."""

ROOT_PASSWORD, VAULT_PASSWORD = "mysql-root-password", "vault-admin-password"
ROOT_TOKEN, UNSEAL_KEY = "root-token", "unseal-key"
CA = "ca.pem"

_MARKER = "format"
_RENEW_BEFORE = dt.timedelta(days=30)
_START_ANEW = "Remove them and start anew: vaultgate down, or docker compose down --volumes."
NODES = ("vault", "vault-b", "vault-c")
"""Names of Vault's containers; all but the first are of the profile `ha`."""

_CONFIG, _STORAGE = "/srv/vault/config", "/srv/vault/storage"


def prepare(volumes: Path, built: Path, mysql_uid: int, *, ha: bool = False) -> None:
    """Fill the volumes.

    Args:
        volumes: the folder they are mounted under, each by its name in docker-compose.yml.
        built: holds ``layer/`` and ``task/`` as the image brought them.
        mysql_uid: user id of the server in the MySQL image; its key and password file are that user's.
        ha: three nodes of Vault that share what they know, instead of one that keeps files.

    Raises:
        CheckFailed: the volumes are of another version, or some are missing.
    """
    keys = volumes / "keys"
    layout = f"{FORMAT}, ha" if ha else FORMAT
    _check_format(volumes, layout)
    write_private(keys / _MARKER, layout.encode())
    for name in (ROOT_PASSWORD, VAULT_PASSWORD):
        if not (keys / name).exists():
            write_private(keys / name, secrets.token_urlsafe().encode())
    if not _certified(volumes / "trust" / CA):
        _certify(volumes, mysql_uid)
    for node in NODES if ha else NODES[:1]:
        name = node.replace("vault", "server") + ".json"
        write_private(volumes / "vault-config" / name, json.dumps(server(node, ha=ha), indent=2).encode())
    _give(volumes / "mysql-config/root-password", (keys / ROOT_PASSWORD).read_bytes(), mysql_uid)
    for name in ("layer", "task"):
        _mirror(built / name, volumes / name)


def server(node: str, *, ha: bool) -> dict[str, object]:
    """The configuration of one of Vault's servers.

    Args:
        node: name of its container.
        ha: whether there are others.
    """
    first, address = NODES[0], f"https://{node}:8200"
    listener = {
        "address": "0.0.0.0:8200",
        "tls_cert_file": f"{_CONFIG}/vault.pem",
        "tls_key_file": f"{_CONFIG}/vault.key",
    }
    # The container has no privilege to lock memory.
    common = {"api_addr": address, "disable_mlock": True, "listener": {"tcp": listener}}
    if not ha:
        return {**common, "storage": {"file": {"path": _STORAGE}}, "disable_clustering": True}
    join = {"leader_api_addr": f"https://{first}:8200", "leader_ca_cert_file": f"{_CONFIG}/{CA}"}
    raft = {"path": _STORAGE, "node_id": node, **TIMING}
    return {
        **common,
        "listener": {"tcp": {**listener, "cluster_address": "0.0.0.0:8201"}},
        "storage": {"raft": raft if node == first else {**raft, "retry_join": [join]}},
        "cluster_addr": f"https://{node}:8201",
    }


def _check_format(volumes: Path, layout: str) -> None:
    marker = volumes / "keys" / _MARKER
    found = marker.read_text(encoding="ascii") if marker.exists() else None
    if found not in (None, layout):
        raise CheckFailed(f"The volumes are of format {found}, what is asked for is format {layout}.", _START_ANEW)
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
        for name, owner, hosts in (("vault", os.geteuid(), NODES), ("mysql", mysql_uid, ("mysql",))):
            issued = authority.issue(name, [*hosts, "localhost", "127.0.0.1"])
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
