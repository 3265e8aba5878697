"""Where the launcher enters: Lambda hears of us first, everything else is imported beside the function's init.

Rules: the only module that looks at the process's environment; nothing is imported at its top but what registering needs. `os`
is not: it is 1 ms of each init, and `posix`, the half of it that is C, comes with the interpreter.
"""

from __future__ import annotations

import posix
import sys

from vaultgate.arrival import arrive


def main(name: str = "vaultgate") -> int:
    """Run the extension; its exit code.

    Args:
        name: the launcher's file name, by which Lambda knows the extension.
    """
    encoding = sys.getfilesystemencoding()
    environ = {
        key.decode(encoding, "surrogateescape"): text.decode(encoding, "surrogateescape") for key, text in posix.environ.items()
    }
    arrival = arrive(environ, name)
    from vaultgate.process import run  # noqa: PLC0415 - see the module's rules

    return run(environ, name, arrival)


if __name__ == "__main__":
    sys.exit(main())
