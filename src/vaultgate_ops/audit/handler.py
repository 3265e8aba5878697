"""What Lambda imports: reads the environment once and puts the mirror behind S3 events together (`function`)."""

from __future__ import annotations

import os

from vaultgate_ops.audit.function import Handler

handler = Handler(os.environ)
