"""What is in a layer, as a CycloneDX bill of materials.

Rules: the zip is the subject, each of its files a component with its hash, so that whoever has the bill can check an unpacked
layer file by file. It has no packages of others, and says so by a subject that depends on nothing but one of the runtimes,
which Lambda brings. The same zip and moment give the same bill. Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6

from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.layer import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vaultgate_ops.clock import Clock

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/")
_LICENSE = "Apache-2.0"


def moment(environ: Mapping[str, str], clock: Clock) -> datetime:
    """When this is built: `SOURCE_DATE_EPOCH` where it is set, or now.

    Source: https://reproducible-builds.org/specs/source-date-epoch/.

    Raises:
        UsageProblem: it is no number of seconds that a calendar knows.
    """
    said = environ.get("SOURCE_DATE_EPOCH")
    try:
        return datetime.fromtimestamp(int(said or clock.wall()), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageProblem(
            f"SOURCE_DATE_EPOCH is {said!r}, which is no moment.", "Set it to seconds since 1970, or leave it out."
        ) from None


def bill(archive: Path, made: datetime) -> str:
    """The bill of a zip, as JSON.

    Args:
        archive: a layer.
        made: when; it is in the bill and nowhere else.

    Raises:
        Missing: there is no such file, or it can't be read.
        CheckFailed: it is no layer of Vaultgate.
    """
    content, said = manifest.load(archive)
    whole = hashlib.sha256(content).hexdigest()
    subject = Component(
        name="vaultgate-layer",
        version=said.version,
        type=ComponentType.APPLICATION,
        bom_ref="vaultgate-layer",
        description="AWS Lambda layer with Vaultgate's extension",
        licenses=[DisjunctiveLicense(id=_LICENSE)],
        hashes=[_sha256(whole)],
        properties=[
            Property(name="vaultgate:architectures", value=" ".join(said.architectures)),
            Property(name="vaultgate:sources", value=str(said.sources).lower()),
            *(
                Property(name=f"vaultgate:bytecode:{version}", value=f"CPython {release}")
                for version, release in said.bytecode.items()
            ),
        ],
    )
    document = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, whole),
        metadata=BomMetaData(component=subject, timestamp=made),
        components=_files(content),
    )
    runtimes = [_runtime(name) for name in said.runtimes]
    document.components.update(runtimes)
    document.register_dependency(subject, runtimes)
    return str(JsonV1Dot6(document).output_as_string(indent=2)) + "\n"


def _files(content: bytes) -> list[Component]:
    with zipfile.ZipFile(BytesIO(content)) as packed:
        return [
            Component(
                name=name,
                type=ComponentType.FILE,
                bom_ref=f"file:{name}",
                licenses=[DisjunctiveLicense(id=_LICENSE)],
                hashes=[_sha256(hashlib.sha256(packed.read(name)).hexdigest())],
            )
            for name in packed.namelist()
        ]


def _runtime(name: str) -> Component:
    """One of Lambda's, such as `python3.13`: needed, and not in the layer. One of them is enough."""
    return Component(
        name="python",
        version=name.removeprefix("python"),
        type=ComponentType.PLATFORM,
        scope=ComponentScope.OPTIONAL,
        bom_ref=f"runtime:{name}",
    )


def _sha256(content: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=content)
