"""What can go wrong outside the layer, sorted by the exit code a shell sees.

Rules: one sentence says what happened and names the thing; the hint says what to do about it. Neither ever holds a secret.
"""


class OpsError(Exception):
    """A failure that a person can act on.

    Args:
        message: one sentence, naming what was looked at.
        hint: the fix, as an imperative sentence; empty where there is none.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckFailed(OpsError):
    """Something that should hold does not."""

    exit_code = 1


class UsageProblem(OpsError):
    """A flag, a setting or a configuration file is wrong."""

    exit_code = 2


class Missing(OpsError):
    """This machine lacks something: a program, a package, a kernel feature, disk space."""

    exit_code = 3


class Unreachable(OpsError):
    """A server or the network did not answer."""

    exit_code = 4


class Denied(OpsError):
    """Somebody answered, and said no."""

    exit_code = 5
