"""A YAML file as plain values plus the line of each, with what YAML itself lets pass made a finding.

Rules: pure but for reading the one file. Only the safe types of YAML exist here. A key that stands twice is a finding, not a
silent overwrite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Findings:
    """Everything that is wrong with a file, to be told at once.

    Attributes:
        lines: the line of each key.
        lifted: where a key really stands that its reader treats as if it stood elsewhere.
        found: line (0 for what is no line's fault) and text of each problem.
    """

    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    lifted: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, where: tuple[str, ...], problem: str) -> None:
        """Note a problem at a key; its line is that of the nearest key above it that has one."""
        where = self.lifted.get(where, where)
        line = next((self.lines[where[:end]] for end in range(len(where), 0, -1) if where[:end] in self.lines), 0)
        place = f"line {line}, " if line else ""
        self.found.append((line, f"{place}{'.'.join(where)}: {problem}" if where else problem))

    def text(self) -> str:
        """All problems in the order of the file, one per line."""
        return "".join(f"\n  {problem}" for _, problem in sorted(self.found))


def parse(path: Path, *, hint: str = "name the declarative file with --file") -> tuple[object, Findings]:
    """Read the file: its values (dict, list, str, int, float, bool, None) and the findings so far.

    Args:
        path: the file.
        hint: what to do where it can't be read.

    Raises:
        UsageProblem: there is no such file, or it isn't YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageProblem(f"{path} can't be read: {reason}", hint) from error
    findings = Findings()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return (None if node is None else _value(node, (), findings, yaml.SafeLoader(""))), findings
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise UsageProblem(
            f"{path} is not YAML{line}: {getattr(error, 'problem', None) or 'malformed'}", "correct the file"
        ) from error
    except RecursionError as error:
        raise UsageProblem(f"{path} can't be read: something in it contains itself", "correct the file") from error


def _value(node: yaml.Node, where: tuple[str, ...], findings: Findings, loader: yaml.SafeLoader) -> object:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = (*where, key)
            if key in mapping:
                findings.lines[inner] = key_node.start_mark.line + 1
                findings.add(inner, "stands here a second time")
            findings.lines[inner] = key_node.start_mark.line + 1
            mapping[key] = _value(value_node, inner, findings, loader)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, where, findings, loader) for item in node.value]
    try:
        return loader.construct_object(node)
    except (ValueError, AttributeError):
        # It looks like a date, or is tagged as a number, and is none: whoever wants one says so, with the line.
        return str(node.value)
