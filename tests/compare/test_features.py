"""The matrix of what each can do: no cell without what backs it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jsonschema

from vaultgate_ops.compare import features

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "type": "object",
    "required": ["date", "stores", "rows"],
    "properties": {
        "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "rows": {
            "type": "array",
            "minItems": 10,
            "items": {
                "type": "object",
                "required": ["id", "title", "cells"],
                "properties": {
                    "id": {"type": "string", "pattern": "^[a-z_]+$"},
                    "title": {"type": "string", "minLength": 8},
                    "cells": {
                        "type": "object",
                        "required": ["vault", "secretsmanager", "ssm", "env"],
                        "additionalProperties": {"$ref": "#/$defs/cell"},
                    },
                },
            },
        },
    },
    "$defs": {
        "cell": {
            "type": "object",
            "required": ["can", "text", "tag", "source"],
            "properties": {
                "can": {"enum": list(features.CAN)},
                "text": {"type": "string"},
                "source": {
                    "oneOf": [
                        {
                            "type": "object",
                            "required": ["test"],
                            "properties": {"test": {"pattern": r"^tests/[\w/]+\.py::test_\w+$"}},
                            "additionalProperties": False,
                        },
                        {
                            "type": "object",
                            "required": ["url", "title", "date"],
                            "properties": {"url": {"pattern": "^https://[a-z.]+/[^ ]+$"}, "title": {"minLength": 1}, "date": {}},
                            "additionalProperties": False,
                        },
                    ]
                },
            },
        }
    },
}


def test_every_cell_has_a_source() -> None:
    """An empty source, or one that is neither an address nor a test, is refused by the schema."""
    jsonschema.validate(features.load(), SCHEMA)


def test_every_test_that_a_cell_names_exists() -> None:
    """A test that was renamed no longer backs anything."""
    for row in features.load()["rows"]:
        for cell in row["cells"].values():
            if named := cell["source"].get("test"):
                file, _, name = named.partition("::")
                tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
                assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, named


def test_rows_are_told_apart_and_every_store_is_compared_in_each() -> None:
    """Ids stand in links: each is there once. No row leaves a store out."""
    matrix = features.load()
    ids = [row["id"] for row in matrix["rows"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-z_]+", one) for one in ids)
    assert all(list(row["cells"]) == list(matrix["stores"]) for row in matrix["rows"])
