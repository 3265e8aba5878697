"""What SAM's transform makes of a template, by AWS's own translator.

Rules: as after `sam package`, whatever is built lies in a bucket; nothing is asked of AWS.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

_PACKAGED = {
    "CodeUri": "s3://packages/0123",
    "ContentUri": "s3://packages/4567",
    "Location": "https://s3.us-east-1.amazonaws.com/packages/89ab",
}


def transformed(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """A template without anything that only SAM knows.

    Args:
        template: from `cloudformation.read`; it stays as it is.
        parameters: those that differ from their default.
    """
    packaged = deepcopy(template)
    for one in packaged["Resources"].values():
        properties = one.get("Properties", {})
        properties.update({name: place for name, place in _PACKAGED.items() if name in properties})
    # None of AWS's policies is named in our templates.
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name="us-east-1"))
    made: dict[str, Any] = translator.translate(packaged, parameter_values=parameters)
    # To nobody; it would complain otherwise that nobody was told.
    translator.metrics.publish()
    return made
