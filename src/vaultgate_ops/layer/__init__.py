"""Building the Lambda layer."""

from vaultgate_ops.layer.assembly import Layer, build
from vaultgate_ops.layer.interpreters import VERSIONS, Interpreter
from vaultgate_ops.layer.manifest import ARCHITECTURES, Manifest

__all__ = ["ARCHITECTURES", "VERSIONS", "Interpreter", "Layer", "Manifest", "build"]
