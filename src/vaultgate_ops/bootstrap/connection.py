"""From the environment to a client, in the way of Vault's own command line.

Rules: the environment is passed in. All problems are told at once. The token goes into the client and nowhere else; over
plain HTTP it goes to this machine only.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import hvac

from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S: Final = 30


def connect(environ: Mapping[str, str], home: Path) -> hvac.Client:
    """Build a client; nothing is sent yet.

    Args:
        environ: ``VAULT_ADDR``, ``VAULT_CACERT`` (a file), ``VAULT_TOKEN``, else ``VAULT_TOKEN_FILE``, ``VAULT_NAMESPACE``.
        home: the user's home folder, whose ``.vault-token`` is the last place to look ('vault login' writes it).

    Raises:
        UsageProblem: something of it is missing or malformed.
    """
    problems: list[str] = []
    address = environ.get("VAULT_ADDR", "").rstrip("/")
    problems.extend(_address_problems(address))
    authority = environ.get("VAULT_CACERT", "")
    if authority and not Path(authority).is_file():
        problems.append(f"VAULT_CACERT: there is no file {authority}")
    token = _token(environ, home, problems)
    if problems:
        raise UsageProblem(
            "no connection to Vault is described:" + "".join(f"\n  {problem}" for problem in problems),
            "set VAULT_ADDR, VAULT_CACERT (a private CA), and VAULT_TOKEN or VAULT_TOKEN_FILE, or run 'vault login'",
        )
    return hvac.Client(
        url=address,
        token=token,
        verify=authority or True,
        timeout=_TIMEOUT_S,
        namespace=environ.get("VAULT_NAMESPACE") or None,
    )


def _address_problems(address: str) -> list[str]:
    if not address:
        return ["VAULT_ADDR is not set"]
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return [f"VAULT_ADDR: {address!r} must be like https://vault.example.com:8200"]
    if parts.username or parts.password:
        return ["VAULT_ADDR: no user and password belong into it"]
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return [f"VAULT_ADDR: {address} would send the token in the clear; use https://"]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(environ: Mapping[str, str], home: Path, problems: list[str]) -> str:
    if environ.get("VAULT_TOKEN"):
        return environ["VAULT_TOKEN"].strip()
    named = environ.get("VAULT_TOKEN_FILE", "")
    file = Path(named) if named else home / ".vault-token"
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "unreadable"
        problems.append(f"VAULT_TOKEN_FILE: {file}: {reason}" if named else "there is no token")
        return ""
    if not token:
        problems.append(f"{file} holds no token")
    return token
