"""Where the launcher enters: Lambda hears of us first, everything else is imported beside the function's init.

Rules: the only module that looks at `os.environ`; nothing is imported at its top but what registering needs.
"""

from __future__ import annotations

import os
import sys

from vaultgate.arrival import arrive


def main(name: str = "vaultgate") -> int:
    """Run the extension; its exit code.

    Args:
        name: the launcher's file name, by which Lambda knows the extension.
    """
    environ = dict(os.environ)
    arrival = arrive(environ, name)
    from vaultgate.process import run  # noqa: PLC0415 - see the module's rules

    return run(environ, name, arrival)


if __name__ == "__main__":
    sys.exit(main())
