"""When an entry happened, by its own words."""

from __future__ import annotations

import datetime as dt

import pytest

from vaultgate_ops.audit.stamps import DAY_MS, Stamps

NOON_MS = 1_795_262_400_000  # 2026-11-21T12:00:00Z
HOUR_MS = 3600 * 1000


@pytest.mark.parametrize(
    ("line", "offset_ms"),
    [
        (b'{"auth":{},"time":"2026-11-21T11:59:59.123456789Z","type":"request"}', -877),
        (b'{"time":"2026-11-21T11:59:59.123456789Z","type":"request","auth":{}}', -877),
        (b'{"time":"2026-11-21T11:59:59.5Z","type":"request"}', -500),
        (b'{"time":"2026-11-21T11:59:59.25Z","type":"request"}', -750),
        (b'{"time":"2026-11-21T11:59:59Z","type":"request"}', -1000),
        (b'{"time":"2026-11-21T13:59:59.5+02:00","type":"request"}', -500),
        (b'vault: {"auth":{},"time":"2026-11-21T11:59:59.75Z","type":"request"}\r', -250),
        (b'{"request":{"data":{"time":"2020-01-01T00:00:00.123Z"}},"time":"2026-11-21T11:59:59.001Z","type":"request"}', -999),
        (b'<json:object name="x"><json:string name="time">2026-11-21T11:59:58.5Z</json:string></json:object>', -1500),
    ],
)
def test_a_line_says_when_it_happened(line: bytes, offset_ms: int) -> None:
    """In every format of Vault's, of its older versions too, and with as many digits as there are."""
    stamps = Stamps()
    assert stamps.of(line, NOON_MS) == NOON_MS + offset_ms
    assert stamps.of(line, NOON_MS) == NOON_MS + offset_ms  # known by then
    assert stamps.replaced == 0


@pytest.mark.parametrize("line", [b"", b"x", b'{"time":"soon"}', b'{"time":"2026-11-21T11:59:59"}', b'{"time":17}', b"\xff" * 90])
def test_a_line_without_a_time_happened_with_its_neighbour(line: bytes) -> None:
    """The time of the line before it, or now where there is none."""
    stamps = Stamps()
    assert stamps.of(line, NOON_MS) == NOON_MS
    stamps.of(b'{"time":"2026-11-21T11:00:00Z"}', NOON_MS)
    assert stamps.of(line, NOON_MS) == NOON_MS - HOUR_MS


@pytest.mark.parametrize(
    ("age_ms", "retention_days", "kept"),
    [
        (13 * DAY_MS, None, True),
        (14 * DAY_MS, None, False),
        (15 * DAY_MS, None, False),
        (20 * HOUR_MS, 1, True),
        (24 * HOUR_MS, 1, False),
        (20 * DAY_MS, 365, False),
        (-HOUR_MS, None, True),
        (-2 * HOUR_MS, None, False),
    ],
)
def test_what_the_service_would_drop_gets_the_time_of_now(age_ms: int, retention_days: int | None, *, kept: bool) -> None:
    """Over 14 days or the retention old, or over 2 hours ahead; and it is counted."""
    stamps = Stamps(retention_days)
    moment = dt.datetime.fromtimestamp((NOON_MS - age_ms) / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")
    sent = stamps.of(b'{"time":"%b"}' % moment.encode(), NOON_MS)
    assert (sent, stamps.replaced) == ((NOON_MS - age_ms + 123, 0) if kept else (NOON_MS, 1))
