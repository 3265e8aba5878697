"""The same function, in the company most functions keep: boto3 is imported with it."""

import boto3  # noqa: F401 - the import is what is measured
from bare import handler  # type: ignore[import-not-found]  # beside this file in the sandbox

__all__ = ["handler"]
