"""What the tests of the layer's build share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.layer.checkout import make_checkout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with an extension/ to build."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """An environment in which no interpreter is found but the running one."""
    return {"PATH": "", "HOME": str(tmp_path)}
