"""The shelf: its bound, its order, and the key an answer is kept under."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate.cache import Entry, Key, Shelf, ended_lease, for_one_reader, key_of
from vaultgate.clock import Instant
from vaultgate.leases import Lifetime
from vaultgate.model import Answer, Request

NOW = Instant(1e9, 0)


def key(name: str) -> Key:
    """A key that differs by its path."""
    return "GET", f"/v1/{name}", ""


def entry(body: bytes = b"{}", lease_id: str = "lease", ttl_s: float = 60) -> Entry:
    """An answer that was asked for NOW."""
    return Entry(Answer(200, (), body), lease_id, Lifetime(NOW, ttl_s))


WEIGHT = entry().size


def kept(shelf: Shelf, *names: str) -> list[str]:
    """Which of the names are there, asked without changing their order of use."""
    lease_ids = [one.lease_id for one in shelf]
    return [name for name in names if name in lease_ids]


def test_fresh_is_found_and_over_is_dropped() -> None:
    """An entry is handed out while its lease lives, and is gone afterwards."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("a"), entry(ttl_s=60))
    assert shelf.look(key("a"), Instant(1e9 + 59, 59)) is not None
    assert shelf.look(key("a"), Instant(1e9 + 60, 0)) is None
    assert repr(shelf) == f"Shelf(0 entries, 0 of {10 * WEIGHT} bytes)"


def test_used_longest_ago_goes_first() -> None:
    """A full shelf gives up what nobody looked at for the longest time."""
    shelf = Shelf(2 * WEIGHT)
    shelf.put(key("a"), entry(lease_id="a"))
    shelf.put(key("b"), entry(lease_id="b"))
    shelf.look(key("a"), NOW)
    shelf.put(key("c"), entry(lease_id="c"))
    assert kept(shelf, "a", "b", "c") == ["a", "c"]


def test_as_large_as_the_shelf_is_kept() -> None:
    """An answer that just fits is kept."""
    shelf = Shelf(WEIGHT)
    shelf.put(key("a"), entry())
    assert len(shelf) == 1


def test_larger_than_the_shelf_is_not_kept() -> None:
    """An answer that would need more than everything is not kept, and costs no other its place."""
    shelf = Shelf(2 * WEIGHT)
    shelf.put(key("a"), entry(lease_id="a"))
    shelf.put(key("huge"), entry(b"x" * 3 * WEIGHT, lease_id="huge"))
    assert kept(shelf, "a", "huge") == ["a"]


def test_larger_than_the_shelf_replaces_nothing_stale() -> None:
    """An answer too large to keep still ends the life of the older one under its key."""
    shelf = Shelf(2 * WEIGHT)
    shelf.put(key("a"), entry(lease_id="old"))
    shelf.put(key("a"), entry(b"x" * 3 * WEIGHT, lease_id="new"))
    assert shelf.look(key("a"), NOW) is None


def test_replaced_weighs_once() -> None:
    """Putting an answer under the same key again replaces it, and its weight."""
    shelf = Shelf(10 * WEIGHT)
    for body in (b"one", b"three"):
        shelf.put(key("a"), entry(body))
    assert repr(shelf) == f"Shelf(1 entries, {entry(b'three').size} of {10 * WEIGHT} bytes)"


def test_a_dead_lease_is_dropped_alone() -> None:
    """Dropping a lease says whether it was there, and leaves the others."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("a"), entry(lease_id="a"))
    shelf.put(key("b"), entry(lease_id="b"))
    assert shelf.drop_lease("a")
    assert not shelf.drop_lease("a")
    assert kept(shelf, "a", "b") == ["b"]


def test_clear() -> None:
    """Clearing forgets all entries and their weight."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("a"), entry())
    shelf.clear()
    assert (len(shelf), repr(shelf)) == (0, f"Shelf(0 entries, 0 of {10 * WEIGHT} bytes)")


steps = st.lists(
    st.tuples(st.sampled_from(["put", "look", "drop", "drop_lease"]), st.sampled_from("abcde"), st.integers(0, 3000)), max_size=40
)


@given(steps, st.integers(0, 8000))
def test_never_beyond_its_bound(moves: list[tuple[str, str, int]], limit: int) -> None:
    """Whatever is put, looked at and dropped, the shelf weighs what its entries weigh, and never more than its bound."""
    shelf = Shelf(limit)
    for move, name, weight in moves:
        if move == "put":
            shelf.put(key(name), entry(b"x" * weight, lease_id=name))
        elif move == "look":
            shelf.look(key(name), NOW)
        elif move == "drop":
            shelf.drop(key(name))
        else:
            shelf.drop_lease(name)
        weighs = sum(one.size for one in shelf)
        assert weighs <= limit
        assert repr(shelf) == f"Shelf({len(shelf)} entries, {weighs} of {limit} bytes)"


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/v1/a"),
        Request("HEAD", "/v1/a"),
        Request("GET", "/v1/a", (("X-Vault-Wrap-TTL", "60"),)),
        Request("GET", "/v1/a", (("x-vault-wrap-ttl", "60"),)),
        Request("GET", "/v1/a", (), b"{}"),
    ],
    ids=["write", "head", "wrapped", "wrapped, small letters", "with a body"],
)
def test_not_shared(request_: Request) -> None:
    """A write, a wrapped answer and a request with a body are their caller's alone."""
    assert key_of(request_, None) is None


def test_key_tells_apart() -> None:
    """Method, path, query and namespace tell answers apart; the request's namespace wins over the configured one."""
    keys = [
        key_of(Request("GET", "/v1/a"), None),
        key_of(Request("LIST", "/v1/a"), None),
        key_of(Request("GET", "/v1/a?version=1"), None),
        key_of(Request("GET", "/v1/a"), "team"),
        key_of(Request("GET", "/v1/a", (("X-Vault-Namespace", "other"),)), "team"),
    ]
    assert key_of(Request("GET", "/v1/a", (("X-Vault-Namespace", ""),)), "team") == keys[0]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_tracing_headers_share() -> None:
    """A trace id differs with every request and must not split the cache."""
    traced = Request("GET", "/v1/a", (("X-Amzn-Trace-Id", "Root=1-2-3"), ("traceparent", "00-1-2-01")))
    assert key_of(traced, "team") == key_of(Request("GET", "/v1/a"), "team")


def test_changes_are_told_once() -> None:
    """Another answer under a known key is a change, a renewal and the first answer are none; each is told once."""
    shelf = Shelf(10 * WEIGHT)
    first = entry(lease_id="a")
    shelf.put(key("a"), first)
    shelf.put(key("a"), first.renewed(Lifetime(NOW, 120)))
    assert shelf.changes() == set()
    shelf.put(key("a"), entry(lease_id="another"))
    assert shelf.changes() == {key("a")}
    assert shelf.changes() == set()


def test_what_is_no_longer_true_is_a_change() -> None:
    """A dead lease, a dead token and a write are told; age, and making room, are not."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("lease"), entry(lease_id="dead"))
    shelf.put(key("token"), Entry(Answer(200), "l", Lifetime(NOW, 60), "owner"))
    shelf.put(key("write"), entry(lease_id=""))
    shelf.put(key("age"), entry(ttl_s=60))
    shelf.drop_lease("dead")
    shelf.drop_owner("owner")
    shelf.drop_touched("write")
    shelf.look(key("age"), Instant(1e9 + 60, 0))
    assert shelf.changes() == {key("lease"), key("token"), key("write")}


def test_a_write_leaves_leased_secrets() -> None:
    """A lease says how long its secret is good, so a write drops what has none, whatever query it was read with."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("secret/data/app?version=2"), entry(lease_id=""))
    shelf.put(key("secret/data/other"), entry(lease_id=""))
    shelf.put(key("secret/data/app"), entry(lease_id="leased"))
    shelf.drop_touched("secret/data/app")
    assert shelf.changes() == {key("secret/data/app?version=2")}
    assert len(shelf) == 2


@pytest.mark.parametrize(
    ("document", "alone"),
    [
        ({"wrap_info": {"token": "t"}}, True),
        ({"auth": {"client_token": "t"}, "wrap_info": None}, True),
        ({"auth": None, "wrap_info": None, "data": {"a": "b"}}, False),
        ({"data": {}}, False),
    ],
)
def test_what_is_for_one_reader_alone(document: dict[str, object], *, alone: bool) -> None:
    """A wrapping token and a login are nobody else's; Vault's empty fields don't make them so."""
    assert for_one_reader(document) is alone


def test_only_what_was_used_is_due() -> None:
    """Near its end, and asked for since it came: that is time for the next; what is over, or fresh, or unasked for, is not."""
    shelf = Shelf(10 * WEIGHT)
    for name, ttl_s in {"near": 60, "unasked": 60, "fresh": 600, "over": 50, "endless": float("inf")}.items():
        shelf.put(key(name), entry(lease_id=name, ttl_s=ttl_s))
        if name != "unasked":
            shelf.look(key(name), NOW)
    assert [one.lease_id for _, one in shelf.due(Instant(1e9 + 50, 0))] == ["near"]
    assert [at for at, _ in shelf.due(Instant(1e9, 50))] == [key("near")]


def test_peeking_is_no_use() -> None:
    """Looking without handing out shows what is there, fresh or not, and keeps nothing alive."""
    shelf = Shelf(10 * WEIGHT)
    shelf.put(key("a"), entry(lease_id="a", ttl_s=60))
    peeked = shelf.peek(key("a"))
    assert peeked is not None
    assert (peeked.lease_id, shelf.peek(key("b"))) == ("a", None)
    assert shelf.due(Instant(1e9 + 50, 0)) == []


def test_a_renewed_answer_is_the_same_with_a_new_life() -> None:
    """A renewal changes how long an answer may be used, and nothing else; it is measured by what Vault gave at first."""
    answer = Answer(200, (), b"{}")
    first = Entry(answer, "lease", Lifetime(NOW, 60), "owner", renewable=True)
    later = Lifetime(Instant(1e9 + 30, 30), 45)
    renewed = first.renewed(later).renewed(later)
    assert (renewed.answer, renewed.lease_id, renewed.lifetime, renewed.owner) == (answer, "lease", later, "owner")
    assert (renewed.renewable, renewed.first_ttl_s, renewed.used) == (True, 60, False)


def test_an_answer_is_taken_for_what_can_not_be_renewed() -> None:
    """Who doesn't say more has an answer of nobody's token that ends when it ends."""
    plain = entry(ttl_s=60)
    assert (plain.owner, plain.renewable, plain.first_ttl_s, plain.used) == ("", False, 60, False)
    assert Entry(plain.answer, "", plain.lifetime, first_ttl_s=5).first_ttl_s == 5


def test_a_renewal_weighs_once() -> None:
    """The same answer with a new life takes the old one's place and its weight."""
    shelf = Shelf(10 * WEIGHT)
    first = entry()
    shelf.put(key("a"), first)
    assert shelf.put(key("a"), first.renewed(Lifetime(NOW, 120)))
    assert repr(shelf) == f"Shelf(1 entries, {WEIGHT} of {10 * WEIGHT} bytes)"


def test_putting_says_whether_it_is_kept() -> None:
    """Whoever puts an answer that is larger than the shelf hears that nobody keeps it."""
    shelf = Shelf(WEIGHT)
    assert shelf.put(key("a"), entry()) is True
    assert shelf.put(key("a"), entry(b"x" * WEIGHT)) is False


def test_the_revision_rises_with_what_is_taken_back() -> None:
    """Each time a copy of what was handed out may be untrue, the revision rises; a first answer, a renewal and age leave it."""
    shelf = Shelf(3 * WEIGHT)
    seen = [shelf.revision]

    def risen() -> bool:
        seen.append(shelf.revision)
        return seen[-1] > seen[-2]

    first = entry(lease_id="a", ttl_s=60)
    shelf.put(key("a"), first)
    shelf.put(key("a"), first.renewed(Lifetime(NOW, 60)))
    shelf.put(key("b"), entry(lease_id="", ttl_s=50))
    shelf.look(key("b"), Instant(1e9 + 55, 0))
    assert not risen()
    shelf.put(key("a"), entry(lease_id="another"))
    assert risen()
    shelf.drop_lease("another")
    assert risen()
    shelf.put(key("c"), entry(lease_id=""))
    shelf.drop_touched("c")
    assert risen()


def test_making_room_for_what_has_no_lease_is_told() -> None:
    """A lease-less answer that has to make room is one that no write can take back any more; a leased one has its lease."""
    for lease_id, rises in (("", True), ("lease", False)):
        shelf = Shelf(2 * WEIGHT)
        for name in ("old", "a"):
            shelf.put(key(name), entry(lease_id=lease_id))
        before = shelf.revision
        for count in (1, 2):
            shelf.put(key(f"new-{count}"), entry(lease_id=lease_id))
            assert (shelf.revision == before + count) is rises


def test_what_is_past_can_be_taken_once() -> None:
    """An answer without a lease that is over can be had once more, and leaves the shelf; a fresh or a leased one stays."""
    shelf = Shelf(10 * WEIGHT)
    over = Instant(1e9 + 60, 0)
    shelf.put(key("plain"), entry(b"old", lease_id=""))
    shelf.put(key("leased"), entry(lease_id="lease"))
    assert shelf.take_past(key("plain"), NOW) is None
    assert shelf.take_past(key("leased"), over) is None
    assert shelf.take_past(key("absent"), over) is None
    assert len(shelf) == 2
    taken = shelf.take_past(key("plain"), over)
    assert taken is not None
    assert taken.answer.body == b"old"
    assert shelf.take_past(key("plain"), over) is None
    assert len(shelf) == 1


NAMED = b'{"lease_id": "database/creds/app/abc"}'


@pytest.mark.parametrize(
    ("path", "body", "status", "ended"),
    [
        ("sys/leases/lookup", NAMED, 400, "database/creds/app/abc"),
        ("sys/leases/lookup", NAMED, 200, ""),
        ("sys/leases/lookup", NAMED, 403, ""),
        ("sys/leases/revoke", NAMED, 204, "database/creds/app/abc"),
        ("sys/leases/revoke", NAMED, 202, "database/creds/app/abc"),
        ("sys/leases/revoke", NAMED, 400, ""),
        ("sys/leases/revoke/database/creds/app/abc", b"", 204, "database/creds/app/abc"),
        ("sys/leases/revoke-prefix/database/creds/app", b"", 204, "database/creds/app"),
        ("sys/leases/revoke-force/database/creds", b"", 204, "database/creds"),
        ("sys/leases/renew", NAMED, 200, ""),
        ("sys/leases/revoke", b"", 204, ""),
        ("sys/leases/revoke", b'{"lease": "a"}', 204, ""),
        ("sys/leases/revoke", b'{"lease_id": 7}', 204, ""),
        ("sys/leases/revoke", b'["lease_id"]', 204, ""),
        ("sys/leases/revoke%2Fdatabase/creds/app/abc", b"", 204, "database/creds/app/abc"),
        ("secret/revoke", NAMED, 204, ""),
        ("revoke", NAMED, 204, ""),
        ("secret/sys/leases/revoke", NAMED, 204, ""),
    ],
)
def test_which_lease_an_exchange_shows_to_be_over(path: str, body: bytes, status: int, ended: str) -> None:
    """A look-up that finds nothing and a revocation that Vault took name a lease that is over, or the beginning of several."""
    assert ended_lease(Request("PUT", f"/v1/{path}", (), body), Answer(status)) == ended


def test_leases_are_dropped_by_what_their_ids_begin_with() -> None:
    """A prefix drops every lease below it, with or without its slash, and none whose id only looks alike."""
    for prefix in ("database/creds/app", "database/creds/app/"):
        shelf = Shelf(10 * WEIGHT)
        for lease_id in ("database/creds/app/1", "database/creds/app/2", "database/creds/apple/3", "", "xdatabase/creds/app/4"):
            shelf.put(key(lease_id), entry(lease_id=lease_id))
        assert shelf.drop_lease(prefix)
        assert [one.lease_id for one in shelf] == ["database/creds/apple/3", "", "xdatabase/creds/app/4"]
