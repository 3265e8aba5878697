"""Building the Lambda layer."""

from vaultgate_ops.layer.assembly import Layer, build
from vaultgate_ops.layer.interpreters import VERSIONS, Interpreter

__all__ = ["VERSIONS", "Interpreter", "Layer", "build"]
