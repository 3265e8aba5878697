"""The secret of the door in the guard's mode `secret`: who can read our file may come in.

A request that somebody else has chosen (a fetch that was talked into asking 127.0.0.1, a page in a browser) may carry any
header, but not what stands in a file that only this sandbox's user can read. Rules: it is made anew in each life, from the
kernel, and stands in one file of mode 0600 that is ours; nobody follows a link to it; it goes away with us.
"""

from __future__ import annotations

import os
import stat

from vaultgate.disk import place, take_away
from vaultgate.errors import Refused
from vaultgate.guard import SECRET_HEADER
from vaultgate.secret import Secret

_ROOT = "/tmp"  # noqa: S108 - the only place in Lambda that can be written to; see the rules
_BYTES = 32
_ONLY_OURS = 0o600
_OTHERS = 0o077
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def file_of(listen: tuple[str, int], root: str = _ROOT) -> str:
    """Where the extension that listens at an address tells its secret."""
    return f"{root}/vaultgate-{os.geteuid()}-{listen[0]}-{listen[1]}.secret"


class DoorSecret:
    """The extension's side.

    Args:
        listen: the proxy's address; one extension at a time can have it.
        root: the folder of the file.
    """

    def __init__(self, listen: tuple[str, int], root: str = _ROOT) -> None:
        self._file = file_of(listen, root)
        self._secret: Secret | None = None

    def begin(self) -> None:
        """Make the secret and the file anew, as at the start and after a restore; what a killed life left is replaced.

        Raises:
            Unwritable: without the file nobody could come in.
        """
        text = os.urandom(_BYTES).hex()
        place(self._file, text.encode(), _ONLY_OURS, [])
        self._secret = Secret(text)

    def current(self) -> Secret | None:
        """What has to be shown now; None before there is any."""
        return self._secret

    def end(self) -> None:
        """Take the file away; fine at any time."""
        take_away([self._file])


def told(listen: tuple[str, int], root: str = _ROOT) -> tuple[str, str]:
    """The header to show at the door of the extension that listens at an address.

    Raises:
        Refused: there is no such file, or it may be somebody else's.
    """
    file = file_of(listen, root)
    try:
        handle = os.open(file, _READ)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
                raise Refused(
                    f"{file} is somebody else's, or open to others", "remove it: the extension makes it anew when it starts"
                )
            return SECRET_HEADER, os.read(handle, 2 * _BYTES).decode("ascii")
        finally:
            os.close(handle)
    except (OSError, UnicodeDecodeError) as error:
        hint = "see that the extension runs with VAULTGATE_GUARD=secret, for the same user"
        raise Refused(f"{file} can't be read: {getattr(error, 'strerror', error.__class__.__name__)}", hint) from error
