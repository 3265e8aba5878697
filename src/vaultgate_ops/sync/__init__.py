"""One-way: what Vault's KV holds, written to Secrets Manager and Parameter Store as a file says.

    wanted = load(path)                               # the file, checked: all problems at once
    for outcome in run(wanted, vault, targets, ...):  # one after the other: look, decide, act
        ...

Rules: Vault is the truth and is never written to. Only what carries our tags is changed or removed; anything else by that name is
refused, and the others go on. Deciding (`planner`) is pure; looking and acting are its shell. No value is in a line, an exception
or an argument.
"""

from __future__ import annotations

from vaultgate_ops.sync.document import load
from vaultgate_ops.sync.run import run, unlisted
from vaultgate_ops.sync.words import lines, summary

__all__ = ["lines", "load", "run", "summary", "unlisted"]
