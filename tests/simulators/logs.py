"""What an extension said in a sandbox's log."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaultgate_ops.local.sandbox import Sandbox


def said(sandbox: Sandbox, event: str | None = None) -> list[dict[str, Any]]:
    """The extension's log lines, in order; of one event only, if it is named."""
    lines = [json.loads(line) for line in re.findall(r'^\{"ts": .*\}$', sandbox.log(), re.MULTILINE)]
    return [line for line in lines if event in {None, line["event"]}]
