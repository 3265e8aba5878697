"""What a server stores of a password, computed here, so that the password itself stays out of every statement.

Source: MariaDB and MySQL, "Native authentication": ``*`` + hex(SHA1(SHA1(password))).
"""

from __future__ import annotations

import hashlib
import secrets


def native(password: str) -> str:
    """The ``mysql_native_password`` form of a password in UTF-8."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def of_nothing() -> str:
    """The form of no password that anybody knows."""
    return "*" + secrets.token_hex(20).upper()
