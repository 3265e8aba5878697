"""What a server stores of a password, computed here, so that the password itself stays out of statements.

Source: MariaDB and MySQL, "Native authentication": ``*`` + hex(SHA1(SHA1(password))); MySQL's ``caching_sha2_password`` stores
``$A$`` + rounds/1000 in three hex digits + ``$`` + 20 bytes of salt + 43 characters of SHA-256-crypt, which is
https://www.akkadia.org/drepper/SHA-crypt.txt.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

NATIVE, CACHING = "mysql_native_password", "caching_sha2_password"
COMPARABLE = frozenset({NATIVE, CACHING})
_CACHING = re.compile(r"\$A\$([0-9A-Fa-f]{3})\$(.{20})(.{43})", re.DOTALL)
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = (
    (0, 10, 20),
    (21, 1, 11),
    (12, 22, 2),
    (3, 13, 23),
    (24, 4, 14),
    (15, 25, 5),
    (6, 16, 26),
    (27, 7, 17),
    (18, 28, 8),
    (9, 19, 29),
)
_DIGEST = 32


def native(password: str) -> str:
    """The ``mysql_native_password`` form of a password in UTF-8."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def of_nothing() -> str:
    """The native form of no password that anybody knows."""
    return "*" + secrets.token_hex(20).upper()


def matches(password: str, plugin: str, stored: str) -> bool:
    """Whether a stored form is a password's.

    Args:
        password: in clear.
        plugin: one of `COMPARABLE`; any other never matches.
        stored: as the server has it, each byte a character.
    """
    if plugin == NATIVE:
        return hmac.compare_digest(native(password).encode(), stored.encode())
    found = _CACHING.fullmatch(stored)
    if plugin != CACHING or found is None:
        return False
    digest = sha256_crypt(password.encode(), found[2].encode("latin-1"), int(found[1], 16) * 1000)
    return hmac.compare_digest(digest.encode(), found[3].encode("latin-1", "replace"))


def sha256_crypt(key: bytes, salt: bytes, rounds: int) -> str:
    """The last 43 characters of SHA-256-crypt.

    Args:
        key: the password.
        salt: of any length: MySQL's has 20 bytes where the original cuts at 16.
        rounds: of the inner loop.
    """
    alternate = hashlib.sha256(key + salt + key).digest()
    first = hashlib.sha256(key + salt + _repeated(alternate, len(key)))
    bits = len(key)
    while bits:
        first.update(alternate if bits & 1 else key)
        bits >>= 1
    digest = first.digest()
    stretched_key = _repeated(hashlib.sha256(key * len(key)).digest(), len(key))
    stretched_salt = _repeated(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        block = hashlib.sha256(stretched_key if number & 1 else digest)
        if number % 3:
            block.update(stretched_salt)
        if number % 7:
            block.update(stretched_key)
        block.update(digest if number & 1 else stretched_key)
        digest = block.digest()
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(_ALPHABET[group >> 6 * place & 63] for group, length in groups for place in range(length))


def _repeated(digest: bytes, length: int) -> bytes:
    return (digest * (length // _DIGEST + 1))[:length]
