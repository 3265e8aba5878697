"""How a parameter's rotation stands, in the form of `survey`: what DescribeParameters says, which reads no value.

Rule: its latest version is what clients use; the first one was not made by a rotation.
Source: AWS Systems Manager API Reference, DescribeParameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import CURRENT
from vaultgate_ops.rotation.survey import Survey, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.service import Api


def survey(systems: Api, name: str) -> Survey:
    """Look at a parameter.

    Args:
        systems: where it is.
        name: of it.

    Raises:
        RotationError: it can't be looked at, or there is none.
    """
    wanted = {"Key": "Name", "Option": "Equals", "Values": [name]}
    found = systems.call("describe_parameters", ParameterFilters=[wanted])["Parameters"]
    if not found:
        raise RotationError("secret-missing", f"There is no parameter {name}.", "Correct its name.")
    return described(found[0])


def described(entry: Mapping[str, Any]) -> Survey:
    """A parameter, by its entry in a listing."""
    name, at = entry["Name"], entry["LastModifiedDate"].timestamp()
    return Survey(
        name=name,
        # Local stand-ins leave it out.
        arn=entry.get("ARN", f"arn:aws:ssm:::parameter/{name.removeprefix('/')}"),
        enabled=False,
        function="",
        schedule="",
        rules={},
        owner="",
        primary_region="",
        rotated_at=at if entry["Version"] > 1 else 0,
        versions=(Version(str(entry["Version"]), (CURRENT,), at),),
    )
