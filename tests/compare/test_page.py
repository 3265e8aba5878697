"""The page in a real browser: nothing asked for, nothing broken, usable by keyboard, legible in light and dark and on a phone."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.compare import chromium
from tests.compare.documents import resolve, whole

from vaultgate_ops.compare import cost, report
from vaultgate_ops.compare.report import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.xdist_group("browser")

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for this file."""
    path = chromium.find()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up result."""
    return report.write(whole(), tmp_path_factory.mktemp("page"))[0]


@pytest.fixture
def opened(browser: Browser, written: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page; whatever it asks for or complains about fails the test."""
    contexts: list[Any] = []
    asked: list[str] = []
    complaints: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(written.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert set(asked) <= {written.as_uri()}
    assert complaints == []


def sliders(page: Page) -> dict[str, float]:
    """What the sliders say."""
    variables = {one["id"]: one for one in whole()["cost"]["variables"]}
    return {name: variables[name]["stops"][int(page.locator(f"#slider-{name}").input_value())] for name in variables}


def shown(page: Page) -> dict[str, float]:
    """The monthly costs that the page shows, unrounded."""
    rows = page.locator("[data-scenario]").evaluate_all(
        "rows => rows.filter(row => row.querySelector('data.usd'))"
        ".map(row => [row.dataset.scenario, Number(row.querySelector('data.usd').value)])"
    )
    return dict(rows)


def test_a_machine_without_a_browser_is_told_what_to_do(tmp_path: Path) -> None:
    """No Chromium and no right to install one: the tests of the page fail with the command to type, and are never skipped."""
    with pytest.raises(AssertionError, match="sudo apt-get install chromium-headless-shell, or set CHROMIUM_BIN"):
        chromium.find({"PATH": str(tmp_path)}, is_root=False)
    assert chromium.find({"CHROMIUM_BIN": "/opt/mine", "PATH": str(tmp_path)}) == Path("/opt/mine")


@pytest.mark.parametrize(
    "moved",
    [
        {},
        {"secrets": 13, "environments": 6},
        {"secrets": 12, "environments": 1, "calls_per_million": 0, "in_vpc": 0},
        {"invocations_m": 7, "calls_per_million": 8, "store_ms": 7},
        {"invocations_m": 5, "calls_per_million": 6, "upkeep_usd": 5, "secrets": 0},
    ],
)
def test_the_sliders_sum_as_the_calculator_does(moved: dict[str, int], opened: Callable[..., Page]) -> None:
    """Wherever the sliders stand, each cost and the break-even are to the last bit what Python computes."""
    page = opened()
    for name, place in moved.items():
        page.locator(f"#slider-{name}").fill(str(place))
    at = sliders(page)
    scenarios = {one["id"]: one for one in whole()["cost"]["scenarios"]}
    costs = shown(page)
    assert costs == {name: cost.total(scenarios[name], at) for name in costs}
    assert len(costs) == len(scenarios) - 1  # HCP's price is not published
    even = cost.break_even(scenarios["vault-ec2"], scenarios["secretsmanager"], at)
    assert page.locator("#even").get_attribute("data-secrets") == ("never" if even is None else str(even))
    assert page.locator("#curves path").count() == len(costs)
    assert page.locator(".keys li").count() == len(costs)
    cut = "text => text.getBoundingClientRect().left < document.getElementById('curves').getBoundingClientRect().left"
    assert page.evaluate(f"[...document.querySelectorAll('#curves text')].filter({cut}).map(text => text.textContent)") == []


def test_a_slider_is_moved_by_keys_and_says_its_value(opened: Callable[..., Page]) -> None:
    """Arrows move a focused slider; what a screen reader says and what stands beside it follow; the button moves it back."""
    page = opened()
    before = shown(page)
    slider = page.locator("#slider-secrets")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "100"
    assert page.locator("#output-secrets").inner_text() == "100"
    assert shown(page)["secretsmanager"] == pytest.approx(before["secretsmanager"] + 50 * 3 * 0.40)
    page.locator("#slider-in_vpc").press("ArrowLeft")
    assert page.locator("#output-in_vpc").inner_text() == "no"
    page.get_by_role("button", name="Back to where they were").press("Enter")
    expect(page.locator("#output-secrets")).to_have_text("50")
    assert shown(page) == before


def test_everything_is_reached_by_keyboard_and_seen_when_it_is(opened: Callable[..., Page]) -> None:
    """Tab goes through links, sliders, tables that scroll and buttons in their order; each shows that it has the focus."""
    page = opened(viewport={"width": 375, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = false; })")
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        kind, outlined, name = page.evaluate(
            "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle,"
            " document.activeElement.id || document.activeElement.textContent.trim()]"
        )
        assert outlined != "none", name
        reached.add(kind)
    assert {"A", "SUMMARY"} <= reached
    wanted = "input, button, [tabindex='0'], main a, summary"
    assert page.evaluate(f"[...document.querySelectorAll({json.dumps(wanted)})].filter(one => one.tabIndex < 0).length") == 0


def test_the_skip_link_leads_to_the_verdicts(opened: Callable[..., Page]) -> None:
    """The first stop of the Tab key is a link past the head of the page."""
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#verdicts")
    assert page.evaluate("getComputedStyle(document.querySelector(':target')).outlineStyle") == "none", "a frame around all of it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_all_text_has_contrast_enough(scheme: str, width: int, opened: Callable[..., Page]) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1, or 3 to 1 for large text, against what really lies behind each text; curves have 3 to 1."""
    page = opened(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = page.evaluate(CONTRAST)
    assert found["checked"] > 500
    assert found["poor"] == []


@pytest.mark.parametrize(("name", "width", "scheme"), [("light", 1200, "light"), ("dark", 1200, "dark"), ("phone", 320, "light")])
def test_nothing_is_cut_off(name: str, width: int, scheme: str, opened: Callable[..., Page]) -> None:
    """From 320 px (WCAG 2.2, 1.4.10) to a desk the page never scrolls sideways; pictures of it are left for people to look at."""
    page = opened(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    SHOTS.mkdir(parents=True, exist_ok=True)
    for part in ("verdicts", "plots", "cost"):
        page.locator(f"#{part}").scroll_into_view_if_needed()
        page.evaluate(f"document.getElementById({part!r}).scrollIntoView({{behavior: 'instant'}})")
        picture = page.screenshot(path=SHOTS / f"{name}-{part}.png")
        assert len(picture) > 10_000, "a picture of a page with text isn't that small"


def test_every_link_inside_the_page_ends_at_an_element_and_at_its_data(opened: Callable[..., Page]) -> None:
    """A verdict's links lead to its rule and its figures: the element is there, and the JSON pointer is in the embedded data."""
    page = opened()
    targets = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(one => one.getAttribute('href').slice(1))")
    present = set(page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)"))
    embedded = page.evaluate("JSON.parse(document.getElementById('document').textContent).document")
    pointers = {target for target in targets if target.startswith("/")}
    assert len(pointers) > 100
    assert set(targets) <= present
    for pointer in pointers | {one for one in present if one.startswith("/")}:
        resolve(embedded, pointer)


@pytest.mark.parametrize("width", [360, 1440])
def test_a_verdicts_figure_is_one_click_from_its_data(width: int, opened: Callable[..., Page]) -> None:
    """Clicking the figure of the first verdict opens the list that has it, and brings it and what it is of into sight."""
    page = opened(viewport={"width": width, "height": 740}, reduced_motion="reduce")
    link = page.locator(".verdicts .figure a").first
    figure, pointer = link.inner_text(), (link.get_attribute("href") or "")[1:]
    link.click()
    expect(page.locator(":target")).to_be_in_viewport()
    expect(page.locator("tr:has(:target) th")).to_be_in_viewport(ratio=0.99)
    assert figure in page.evaluate("document.querySelector(':target').textContent")
    assert pointer == page.evaluate("document.querySelector(':target').id")
    assert page.evaluate("getComputedStyle(document.querySelector(':target')).outlineStyle") == "solid"


def test_an_address_that_leads_nowhere_breaks_nothing(opened: Callable[..., Page]) -> None:
    """A link that was cut within a letter's code still opens a page whose sliders and buttons work."""
    page = opened()
    page.goto(f"{page.url}#%E0%A4%A")
    page.reload()
    assert page.locator("#curves path").count() > 0


def test_a_plots_scale_is_in_sight_beside_each_of_its_rows(opened: Callable[..., Page]) -> None:
    """Wherever one is in a long plot its scale stands on top: as wide as its strips, no label upon another, on a phone too."""
    page = opened(reduced_motion="reduce")
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 740})
        for plot in page.locator("table.plot").all():
            plot.locator("tbody tr").last.scroll_into_view_if_needed()
            axis, strip = plot.locator(".axis"), plot.locator(".strip").last
            expect(axis).to_be_in_viewport()
            over, under = axis.bounding_box(), strip.bounding_box()
            assert over is not None
            assert under is not None
            assert (over["x"], over["width"]) == pytest.approx((under["x"], under["width"]), abs=1)
            sides = axis.evaluate(
                "axis => [...axis.querySelectorAll('text')].map(one => one.getBoundingClientRect())"
                ".map(one => [one.left, one.right])"
            )
            assert len(sides) > 1
            assert all(right < left for (_, right), (left, _) in pairwise(sides)), (width, sides)
            assert over["x"] - 1 <= sides[0][0]
            assert sides[-1][1] <= over["x"] + over["width"] + 1


def test_on_paper_the_verdicts_figures_are_there_in_black(opened: Callable[..., Page]) -> None:
    """Paper opens no list, and has no dark ground: what a verdict rests on is printed, in dark letters, and closed again."""
    page = opened(color_scheme="dark")
    closed = "document.querySelectorAll('#verdicts details:not([open])').length"
    before = page.evaluate(closed)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (before > 0, page.evaluate(closed)) == (True, 0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 33, 39)"


@pytest.mark.parametrize(("button", "form"), [("save-json", "json"), ("save-csv", "csv")])
def test_the_data_can_be_saved(button: str, form: str, opened: Callable[..., Page]) -> None:
    """What is saved is what the other formats hold, byte for byte as CSV and value for value as JSON."""
    page = opened(accept_downloads=True)
    with page.expect_download() as waiting:
        page.locator(f"#{button}").click()
    saved = Path(waiting.value.path()).read_bytes().decode()
    assert waiting.value.suggested_filename == f"vaultgate-compare.{form}"
    if form == "csv":
        assert saved == words.as_csv(whole())
    else:
        assert json.loads(saved) == whole()


def test_the_policy_of_the_page_forbids_the_network(browser: Browser, written: Path) -> None:
    """Even a script on the page can't reach anybody: a request is refused by the page's own policy, an inline script too."""
    page = browser.new_page()
    page.goto(written.as_uri())
    refused = page.evaluate(
        "new Promise(done => { addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));"
        " fetch('http://127.0.0.1:9/').catch(() => setTimeout(() => done('nothing'), 1000)); })"
    )
    assert refused == "connect-src"
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=1\">')")
    page.evaluate("const s = document.createElement('script'); s.textContent = 'window.owned=1'; document.body.append(s)")
    assert page.evaluate("window.owned") is None
    page.close()


def test_the_page_is_whole_without_scripts(opened: Callable[..., Page]) -> None:
    """Verdicts, figures and costs of some uses stand in the page itself; it says what needs the script."""
    page = opened(java_script_enabled=False)
    text = page.locator("body").inner_text()
    assert "when the first answer after a cold start matters most" in text
    assert "The sliders and curves need this page's own script" in text


def test_motion_is_reduced_for_those_who_ask(opened: Callable[..., Page]) -> None:
    """prefers-reduced-motion: jumps instead of scrolling."""
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert opened(reduced_motion="reduce").evaluate(behaviour) == "auto"
    assert opened(reduced_motion="no-preference").evaluate(behaviour) == "smooth"


def test_tables_sliders_and_pictures_have_their_names(opened: Callable[..., Page]) -> None:
    """Header cells have a scope, sliders a label, pictures a name or nothing to read, tables a caption or a heading."""
    page = opened()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("svg:not([aria-hidden='true']):not([role='img'])").count() == 0
    assert page.evaluate("[...document.querySelectorAll('input')].filter(one => one.labels.length !== 1).length") == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('table')].filter(one => !one.caption && !one.closest('[aria-labelledby]')).length"
        )
        == 0
    )
    levels = [int(level[1]) for level in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => one.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert re.fullmatch(r"[\w ,:]+", page.title())
