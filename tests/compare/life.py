"""One life of a comparison of four made-up steps, for a test to kill: OUTPUT LOG GATE.

The third step waits until GATE exists. Each step is written to LOG when it begins.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.clock import Clock
from vaultgate_ops.compare.contenders import CATALOGUE
from vaultgate_ops.compare.experiments import Step
from vaultgate_ops.compare.journal import Journal, claim
from vaultgate_ops.compare.result import Dimension, Measurement
from vaultgate_ops.compare.runner import Runner
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

OUTPUT, LOG, GATE = (Path(word) for word in sys.argv[1:])


class Four:
    dimension = Dimension.READS

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        return [Step(f"step-{number}", (able[0].id,), 1) for number in range(4)]

    def observe(self, step: Step, task: Task) -> Observed:
        task.describe(step.key)
        with LOG.open("a", encoding="ascii") as log:
            log.write(f"{step.key}\n")
        while step.key == "step-2" and not GATE.exists():
            Clock().sleep(0.01)
        return {}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        return [Measurement(self.dimension, "ssm.boto3", key, 1) for key in observed]


claim(OUTPUT, force=False)
journal = Journal(OUTPUT)
journal.begin({"mode": "quick"})
figures = Runner([Four()], CATALOGUE, journal, Silent(), Clock()).run()
(OUTPUT / "figures.json").write_text(json.dumps([one.name for one in figures]), encoding="ascii")
