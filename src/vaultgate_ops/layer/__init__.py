"""Building the Lambda layer."""

from vaultgate_ops.layer.assembly import Layer, build
from vaultgate_ops.layer.interpreters import Interpreter

__all__ = ["Interpreter", "Layer", "build"]
