"""What is looked at, and what builds on what.

Rules: made from the settings alone, nothing is asked yet; a check that doesn't apply here is an outcome as well, with its reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.doctor import places
from vaultgate_ops.doctor.examination import Step
from vaultgate_ops.doctor.facts import Health, Login, Times
from vaultgate_ops.doctor.judges import aws as judge_aws
from vaultgate_ops.doctor.judges import beside, database, network
from vaultgate_ops.doctor.judges import vault as judge_vault
from vaultgate_ops.doctor.model import NOT_ASKED, Outcome
from vaultgate_ops.doctor.probes import aws as probe_aws
from vaultgate_ops.doctor.probes import database as probe_database
from vaultgate_ops.doctor.probes import extension as probe_extension
from vaultgate_ops.doctor.probes import layer as probe_layer
from vaultgate_ops.doctor.probes import mirror as probe_mirror
from vaultgate_ops.doctor.probes import network as probe_network
from vaultgate_ops.doctor.probes import rotation as probe_rotation
from vaultgate_ops.doctor.probes import vault as probe_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vaultgate.clock import Clock
    from vaultgate.model import Origin
    from vaultgate_ops.doctor.facts import Place
    from vaultgate_ops.doctor.visit import Visit, Wish
    from vaultgate_ops.records.settings import Settings

OPT = Path("/opt")
CHECKPOINT = "*.checkpoint"
BESIDE = frozenset({"layer", "rotation", "mirror"})
_WRAPPED = "because the secret_id comes wrapped, and whoever unwraps it takes it from the extension"
_SERVES = frozenset({200, 429, 473})


def steps(visit: Visit) -> tuple[list[Step], list[Outcome]]:
    """Everything to look at, each after what it builds on; and what doesn't apply here."""
    found, absent = beside_the_way(visit.environ, visit.clock, visit.wish, in_function=visit.in_function)
    vaults = places.vaults(visit.config)
    rest = places.others(visit.config, visit.records, visit.environ, in_function=visit.in_function)
    for place, _, _ in vaults:
        found += network_steps(visit, place)
    for place in rest:
        found += network_steps(visit, place)
    healths = []
    for place, server, _ in vaults:
        healths.append(f"health {place.about}")
        found.append(_health(visit, place, server))
    found += _aws_steps(visit, rest, absent)
    found.append(_clock(visit, healths))
    wrapped = visit.config.auth_method == "approle" and visit.config.approle.wrapping_path is not None
    if wrapped:
        absent += [Outcome(check, "", NOT_ASKED, _WRAPPED) for check in ("login", "identity", "policy")]
    else:
        found.append(_login(visit, vaults, healths))
        found.append(Step("identity", "", lambda known, _: known["login"], judge_vault.identity, needs=("login",)))
        found.append(_policy(visit))
    _extension(visit, found, absent, () if wrapped else ("login",))
    if visit.records is None:
        why = "because RECORDS_TABLE and RDS_HOST are not set: this is no record-count function"
        absent += [Outcome(check, "", NOT_ASKED, why) for check in ("credential", "database")]
    elif wrapped and visit.records.source in probe_database.FROM_VAULT:
        absent += [Outcome(check, "", NOT_ASKED, _WRAPPED) for check in ("credential", "database")]
    else:
        found += _database_steps(visit, visit.records, rest)
    return found, absent


def beside_the_way(
    environ: Mapping[str, str], clock: Clock, wish: Wish, *, in_function: bool
) -> tuple[list[Step], list[Outcome]]:
    """The layer, rotation, the mirror: what none of the extension's settings is needed for."""
    found: list[Step] = []
    absent: list[Outcome] = []
    folder = wish.layer or (OPT if in_function else None)
    if folder is None:
        absent.append(Outcome("layer", "", NOT_ASKED, "because this is no function; --layer names a folder"))
    else:
        looked = folder
        found.append(Step("layer", str(folder), lambda _, __: probe_layer.layer(looked, environ), beside.layer))
    found.extend(Step("rotation", secret, _rotation(environ, clock, secret), beside.rotation) for secret in wish.secrets)
    if not wish.secrets:
        absent.append(Outcome("rotation", "", NOT_ASKED, "because no secret is named: --secret, OVERDUE_SECRETS, ROTATION_SWEEP"))
    checkpoints = sorted(wish.checkpoints.glob(CHECKPOINT)) if wish.checkpoints else []
    found.extend(Step("mirror", file.name, _mirror(clock, file), beside.mirror) for file in checkpoints)
    if not checkpoints:
        absent.append(
            Outcome("mirror", "", NOT_ASKED, "because no mirror's checkpoint is here; --checkpoints names their folder")
        )
    return found, absent


def _rotation(environ: Mapping[str, str], clock: Clock, secret: str) -> Any:
    return lambda _known, _end: probe_rotation.rotation(environ, clock, secret)


def _mirror(clock: Clock, file: Path) -> Any:
    return lambda _known, _end: probe_mirror.mirror(clock, file)


def _extension(visit: Visit, found: list[Step], absent: list[Outcome], after: tuple[str, ...]) -> None:
    if visit.config.run_mode == "file":
        absent.append(Outcome("extension", "", NOT_ASKED, "because VAULT_RUN_MODE=file opens no port"))
    elif visit.in_function:
        # After our own login: a sandbox that slept longer than its token lives logs in anew beside the invocation.
        probe = lambda _, end: probe_extension.extension(visit, end)  # noqa: E731 - reads as the others
        found.append(Step("extension", "", probe, beside.extension, after=after))
    else:
        absent.append(Outcome("extension", "", NOT_ASKED, "because no extension runs outside a function"))


def network_steps(visit: Visit, place: Place) -> Iterator[Step]:
    """Name, connection and certificate of a place."""
    names, reached = f"dns {place.about}", f"tcp {place.about}"
    clock = visit.clock
    yield Step("dns", place.about, lambda _, end: probe_network.lookup(place, clock, end), network.lookup)
    yield Step(
        "tcp",
        place.about,
        lambda known, end: probe_network.dial(known[names], clock, end, in_function=visit.in_function),
        network.dial,
        needs=(names,),
    )
    if place.https:
        tls = visit.config.tls if place.name == places.VAULT else None
        probe = lambda known, end: probe_network.handshake(known[reached], tls, clock, end)  # noqa: E731 - reads as the others
        yield Step("tls", place.about, probe, network.handshake, needs=(reached,))


def last_of(place: Place) -> str:
    """The step that has to pass before somebody can be talked to."""
    return f"{'tls' if place.https else 'tcp'} {place.about}"


def _health(visit: Visit, place: Place, server: Origin) -> Step:
    return Step(
        "health",
        place.about,
        lambda _, end: probe_vault.health(visit, place, server, end),
        judge_vault.health,
        needs=(last_of(place),),
    )


def _aws_steps(visit: Visit, rest: list[Place], absent: list[Outcome]) -> list[Step]:
    if visit.config.auth_method != "aws":
        why = "because VAULTGATE_AUTH_METHOD is not aws"
        absent += [Outcome(check, "", NOT_ASKED, why) for check in ("keys", "sts")]
        return []
    source = probe_aws.source(visit)
    mount = visit.config.auth_mount
    sts = next(place for place in rest if place.name == places.STS)
    return [
        Step("keys", "", lambda _, end: probe_aws.keys(visit, source, end), judge_aws.keys),
        Step(
            "sts",
            "",
            lambda _, end: probe_aws.caller_identity(visit, source, end),
            lambda seen: judge_aws.identity(seen, mount),
            needs=("keys", last_of(sts)),
        ),
    ]


def _clock(visit: Visit, healths: list[str]) -> Step:
    asked = ["sts"] if visit.config.auth_method == "aws" else []

    def probe(known: Mapping[str, Any], _: float) -> list[Times]:
        return [seen.time for key in (*asked, *healths) if (seen := known.get(key)) is not None and seen.time is not None]

    return Step("clock", "", probe, network.times, after=(*asked, *healths))


def _login(visit: Visit, vaults: list[tuple[Place, Origin, str | None]], healths: list[str]) -> Step:
    aws = visit.config.auth_method == "aws"
    source = probe_aws.source(visit)

    def probe(known: Mapping[str, Any], end: float) -> Login:
        serving = [
            (known[key].status, (server, server_id))
            for (_, server, server_id), key in zip(vaults, healths, strict=True)
            if isinstance(known.get(key), Health) and known[key].status in _SERVES
        ]
        # The one that leads goes before standbys, which may not forward.
        serving.sort(key=lambda found: found[0])
        return probe_vault.login(visit, serving[0][1], source, known.get("sts"), end)

    needs, after = (("keys",), ("sts",)) if aws else ((), ())
    return Step("login", "", probe, judge_vault.login, needs=needs, any_of=tuple(healths), after=after)


def _policy(visit: Visit) -> Step:
    return Step(
        "policy",
        "",
        lambda known, end: probe_vault.grants(visit, known["login"], end),
        judge_vault.grants,
        needs=("login",),
    )


def _database_steps(visit: Visit, records: Settings, rest: list[Place]) -> list[Step]:
    place = next(one for one in rest if one.name == places.DATABASE)
    from_vault = records.source in probe_database.FROM_VAULT
    services = [one for one in rest if one.needed and one.aws and one.name != places.STS]
    needs = ("login",) if from_vault else tuple(last_of(one) for one in services)
    return [
        Step("credential", "", lambda _, end: probe_database.fetch(visit, records, end), database.credential, needs=needs),
        Step(
            "database",
            f"{place.host}:{place.port}",
            lambda _, end: probe_database.session(visit, place, records, end),
            database.session,
            needs=(last_of(place), "credential"),
        ),
    ]
