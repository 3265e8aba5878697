"""Which processor this is, in the words of those who name binaries after it."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from vaultgate_ops.errors import Missing


@dataclass(frozen=True)
class Architecture:
    """One kind of processor.

    Args:
        go: its name in Go and in HashiCorp's archives, such as ``amd64``.
        emulator: its name in AWS's Lambda emulator, such as ``x86_64``.
    """

    go: str
    emulator: str


_X86 = Architecture(go="amd64", emulator="x86_64")
_ARM = Architecture(go="arm64", emulator="arm64")
_BY_KERNEL = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}


def architecture(machine: str | None = None) -> Architecture:
    """The processor's names.

    Args:
        machine: what ``uname -m`` says; asked for when None.

    Raises:
        Missing: Lambda doesn't exist on it, so neither does its emulator.
    """
    kernel = platform.machine() if machine is None else machine
    found = _BY_KERNEL.get(kernel.lower())
    if found is None:
        raise Missing(
            f"AWS's Lambda emulator exists for x86_64 and arm64, and this machine is {kernel or 'of an unknown kind'}.",
            "Run the stack on an x86_64 or arm64 machine.",
        )
    return found
