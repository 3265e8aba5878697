"""The function's own variables: in clear, or decrypted by KMS once in a sandbox's life."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.compare.ways import Login, Read


def make(environ: Mapping[str, str]) -> Read:
    """A reader of RDS_USERNAME and RDS_PASSWORD, or of COMPARE_SEALED: what KMS encrypted, in base64."""
    known = [] if environ["COMPARE_WAY"] == "kms" else [environ["RDS_PASSWORD"]]

    def read(*, anew: bool) -> Login:  # noqa: ARG001 - there is nothing newer
        if not known:
            import boto3  # noqa: PLC0415 - whoever has it in clear needs none

            from vaultgate_ops.compare.ways.aws_sdk import QUICK  # noqa: PLC0415 - as above

            sealed = base64.b64decode(environ["COMPARE_SEALED"])
            known.append(boto3.client("kms", config=QUICK).decrypt(CiphertextBlob=sealed)["Plaintext"].decode())
        return environ["RDS_USERNAME"], known[0]

    return read
