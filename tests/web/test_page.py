"""The page in a real browser: what people see, hear and press. The server is a process of its own: it can die."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.browser import Served, Tab, outside
from tests.support.page_scenes import HOSTILE

CHROMIUM = shutil.which("chromium")
AXE_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 120 * 1024, 10
HEIGHTS = {320: 640, 390: 844, 1280: 800}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tabs(browser: Browser, server: Served) -> Iterator[Any]:
    """Makes tabs; a viewer far away, whose own zone and language must not matter."""
    contexts: list[BrowserContext] = []
    made: list[Tab] = []

    def make(*, width: int = 390, scheme: str = "light", **options: Any) -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme=scheme,  # type: ignore[arg-type]
            timezone_id="America/New_York",
            locale="en-US",
            **options,
        )
        context.set_default_timeout(8_000)
        contexts.append(context)
        made.append(Tab(context, server))
        return made[-1]

    server.show("day")
    yield make
    for context in contexts:
        context.close()


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("HEMS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


LOOKS = [
    ("day", "now", 320, "light"),
    ("day", "now", 390, "dark"),
    ("day", "now", 1280, "light"),
    ("day", "plan", 320, "dark"),
    ("day", "plan", 390, "light"),
    ("day", "plan", 1280, "dark"),
    ("night", "now", 390, "dark"),
    ("offline", "now", 320, "dark"),
    ("unread", "now", 390, "light"),
    ("unread", "plan", 390, "light"),
    ("no_plan", "now", 1280, "dark"),
    ("no_prices", "plan", 390, "dark"),
    ("limited", "now", 390, "light"),
    ("limited", "plan", 1280, "light"),
    ("islanded", "now", 390, "dark"),
    ("overridden", "now", 390, "light"),
    ("no_car", "now", 390, "dark"),
]


@pytest.mark.parametrize(("scene", "screen", "width", "scheme"), LOOKS)
def test_a_screen_is_accessible_fits_and_makes_no_error(
    tabs: Any, server: Served, scene: str, screen: str, width: int, scheme: str
) -> None:
    server.show(scene)
    tab: Tab = tabs(width=width, scheme=scheme, reduced_motion="reduce")
    page = tab.open(screen)
    expect(page.locator(".screen")).to_be_visible()
    if screen == "plan" or width == 1280:
        expect(page.locator(".plot canvas").first).to_be_visible()
    screenshot(page, f"{scene}-{screen}-{width}-{scheme}")
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert outside(page, width) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.troubles == []


def test_the_first_view_is_small(tabs: Any) -> None:
    for width, request_max in ((390, FIRST_VIEW_REQUESTS), (1280, FIRST_VIEW_REQUESTS + 6)):
        tab: Tab = tabs(width=width)
        wire = tab.page.context.new_cdp_session(tab.page)
        received: list[int] = []
        wire.on("Network.dataReceived", lambda part: received.append(part["encodedDataLength"]))  # noqa: B023
        wire.on(
            "Network.responseReceived",
            lambda part: received.append(part["response"]["encodedDataLength"]),  # noqa: B023
        )
        wire.send("Network.enable")
        page = tab.open()
        expect(page.locator(".device").first).to_be_visible()
        if width == 1280:
            expect(page.locator(".plot canvas").first).to_be_visible()
        paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"{width}: {sum(received)} bytes, {len(tab.requests)} requests, paint {paint_ms} ms")  # noqa: T201
        assert 10_000 < sum(received) <= FIRST_VIEW_BYTES
        assert len(tab.requests) <= request_max


def test_a_house_that_goes_silent_is_delayed_then_not_live_and_takes_no_command(tabs: Any, server: Served) -> None:
    tab: Tab = tabs()
    tab.page.clock.install()
    page = tab.open()
    tab.pill("Live")
    server.freeze()
    try:
        page.clock.fast_forward(12_000)
        tab.pill("Delayed")
        expect(page.locator(".ticking")).to_contain_text("s")
        page.clock.fast_forward(12_000)
        tab.pill("Not live since 13:05")
        expect(page.get_by_role("button", name="Charge now")).to_be_disabled()
        expect(page.get_by_text("Can't send now")).to_be_visible()
        screenshot(page, "stale-now-390-light")
        found = Axe().run(page, options=AXE_RULES).response["violations"]
        assert [each["id"] for each in found] == []
    finally:
        server.thaw()
    page.clock.run_for(2_000)
    tab.pill("Live")


def test_a_server_that_dies_is_not_live_and_live_again_when_it_is_back(tabs: Any, server: Served) -> None:
    tab: Tab = tabs()
    tab.page.clock.install()
    page = tab.open()
    tab.pill("Live")
    server.kill()
    try:
        page.clock.fast_forward(25_000)
        tab.pill("Not live since 13:05")
    finally:
        server.start()
    page.clock.run_for(5_000)
    tab.pill("Live")
    expect(page.get_by_role("button", name="Charge now")).to_be_enabled()


def test_a_house_whose_values_are_old_is_not_live_though_messages_come(tabs: Any, server: Served) -> None:
    server.show("unread")
    tab: Tab = tabs()
    tab.open()
    tab.pill("Problem: grid meter")
    expect(tab.page.locator(".flow")).to_have_attribute("aria-label", re.compile("Grid:  not known"))


def test_charge_now_by_keyboard_shows_the_price_first_and_can_be_undone(tabs: Any) -> None:
    tab: Tab = tabs()
    page = tab.open()
    start = page.get_by_role("button", name="Charge now")
    start.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Charge Driveway now")
    expect(dialog).to_be_visible()
    confirm = dialog.get_by_role("button", name="Charge now")
    expect(dialog.get_by_role("status")).to_contain_text("€2.00 more than the plan")
    expect(dialog.get_by_role("radio", name="2 hours, until 15:10")).to_be_checked()
    expect(dialog.get_by_role("radio", name="until Mon 07:00")).to_be_visible()
    screenshot(page, "dialog-now-390-light")
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert [each["id"] for each in found] == []
    dialog.get_by_role("radio", name="2 hours, until 15:10").focus()
    first = dialog.get_by_role("status").inner_text()
    page.keyboard.press("ArrowDown")
    # The next price is asked for, and nobody can confirm in between.
    expect(dialog.get_by_role("status")).not_to_have_text(first)
    expect(dialog.get_by_role("status")).to_contain_text("more than the plan")
    expect(confirm).to_be_enabled()
    page.keyboard.press("Tab")
    expect(confirm).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Your override until 17:10")).to_be_visible()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Charge now")).to_be_visible()
    expect(page.get_by_text("Your override")).to_be_hidden()
    assert tab.troubles == []


def test_nobody_can_confirm_before_the_price_is_shown(tabs: Any) -> None:
    tab: Tab = tabs()
    page = tab.open()
    page.route("**/quote?*", lambda route: route.fulfill(status=400, body=json.dumps({"error": "Not now."})))
    page.get_by_role("button", name="Charge now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_have_text("Not now.")
    expect(dialog.get_by_role("button", name="Charge now")).to_be_disabled()


def test_a_command_that_is_refused_says_why(tabs: Any) -> None:
    tab: Tab = tabs()
    page = tab.open()
    page.get_by_role("button", name="Charge now").click()
    page.route("**/api/v1/overrides", lambda route: route.fulfill(status=400, body=json.dumps({"error": "No car."})))
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Charge now").click()
    expect(dialog.get_by_role("alert")).to_have_text("It did not work: No car.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Charge now")).to_be_focused()


def test_names_and_sentences_of_devices_are_text_whatever_they_contain(tabs: Any, server: Served) -> None:
    server.show("hostile")
    tab: Tab = tabs()
    page = tab.open()
    expect(page.locator(".device h2")).to_have_count(len(HOSTILE))
    assert page.locator(".device h2").all_text_contents() == list(HOSTILE)
    assert page.locator(".headline").all_text_contents() == list(HOSTILE)
    assert page.locator("h1").text_content() == HOSTILE[0]
    page.goto(page.url.replace("#/now", "#/plan"))
    expect(page.locator(".plot canvas").first).to_be_visible()
    page.get_by_role("button", name="Show as table").click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("main :is(script, img, iframe, style), header :is(script, img)").count() == 0
    assert tab.troubles == []


def test_the_table_says_what_the_charts_say_in_the_zone_of_the_house(tabs: Any) -> None:
    tab: Tab = tabs()
    page = tab.open("plan")
    page.get_by_role("button", name="Show as table").click()
    hours = page.get_by_role("region", name="The plan by hours")
    rows = hours.locator("tbody tr:not(:has([colspan]))")
    expect(rows).to_have_count(36)  # 07:00 to 19:00 of the next day
    now = page.locator("tr.current")
    expect(now.locator("th")).to_have_text("13:00")
    expect(now).to_contain_text("now")
    expect(hours.locator("tbody tr").nth(2)).to_contain_text("not known")  # two quarters of it were not measured
    expect(hours.locator("tbody")).to_contain_text("Monday 22 June")
    expect(page.locator("html")).to_have_js_property("scrollWidth", 390)
    screenshot(page, "table-plan-390-light")
    assert outside(page, 390) == []
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert [each["id"] for each in found] == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1280, "light")])
def test_the_plan_tells_what_changed_and_why_each_device_does_what(tabs: Any, width: int, scheme: str) -> None:
    tab: Tab = tabs(width=width, scheme=scheme)
    page = tab.open("plan")
    expect(page.locator(".changed")).to_contain_text("instead of 23:00, because new prices were published")
    battery = page.get_by_text("Battery: when and why")
    expect(page.get_by_role("region", name="Battery: when and why")).to_be_hidden()
    battery.focus()
    page.keyboard.press("Enter")
    rows = page.get_by_role("region", name="Battery: when and why").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first.locator("th")).to_contain_text("13:00\u201317:30")
    expect(rows.nth(1)).to_contain_text("stored it is worth 26 ct")
    page.get_by_text("What changed", exact=True).click()
    expect(page.locator(".why li").first).to_be_visible()
    screenshot(page, f"why-plan-{width}-{scheme}")
    assert outside(page, width) == []
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert [each["id"] for each in found] == []
    assert tab.troubles == []


def test_the_charts_are_read_by_keyboard_and_share_one_axis(tabs: Any) -> None:
    tab: Tab = tabs(width=1280)
    page = tab.open("plan")
    plots = page.locator(".plot .u-over")
    expect(plots).to_have_count(3)
    boxes = [plots.nth(index).bounding_box() for index in range(3)]
    assert len({(box["x"], box["width"]) for box in boxes if box}) == 1
    canvases = page.locator(".plot canvas")
    for index in range(3):  # without its stylesheet uPlot puts them below one another, and nobody else notices
        inner, outer = plots.nth(index).bounding_box(), canvases.nth(index).bounding_box()
        assert inner
        assert outer
        assert outer["y"] <= inner["y"] < inner["y"] + inner["height"] <= outer["y"] + outer["height"]
    slider = page.get_by_role("slider", name="Time")
    slider.focus()
    expect(page.locator(".readout h3")).to_contain_text("13:00\u201313:15, planned")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".readout h3")).to_contain_text("12:45\u201313:00, measured")
    expect(page.locator(".readout")).to_contain_text("Driveway2.3 kW")
    cursors = [plots.nth(index).locator(".u-cursor-x").evaluate("line => line.style.transform") for index in range(3)]
    assert len(set(cursors)) == 1
    plots.nth(1).hover(position={"x": 600, "y": 40})
    expect(page.locator(".readout h3")).not_to_contain_text("12:45\u201313:00")


def test_the_choice_of_appearance_outlives_the_page(tabs: Any) -> None:
    tab: Tab = tabs(scheme="light")
    page = tab.open()
    page.get_by_role("button", name="Appearance: as the system").click()
    page.get_by_role("button", name="Appearance: light").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    expect(page.get_by_role("button", name="Appearance: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark == "rgb(16, 21, 27)"


def test_nothing_moves_for_those_who_asked_for_that_and_cards_keep_their_height(tabs: Any) -> None:
    tab: Tab = tabs(reduced_motion="reduce")
    page = tab.open()
    assert page.locator(".wire.out, .wire.in").count() > 3
    assert page.evaluate("document.getAnimations().length") == 0
    shifts = page.evaluate(
        "new Promise(done => { const seen = []; new PerformanceObserver(list => list.getEntries().forEach("
        "entry => seen.push(entry.value))).observe({type: 'layout-shift'}); setTimeout(() => done(seen), 2500); })"
    )
    assert sum(shifts) < 0.01


def test_a_page_of_an_older_version_loads_itself_again_once(tabs: Any) -> None:
    tab: Tab = tabs()
    beat = 'event: hb\ndata: {"at": "2026-06-21T11:05:12Z", "version": "newer"}\n\n'
    tab.page.route("**/stream", lambda route: route.fulfill(body=beat, content_type="text/event-stream"))
    loads: list[object] = []
    tab.page.on("domcontentloaded", lambda page: loads.append(page))  # noqa: PLW0108 - it wants a function
    tab.page.goto(f"http://localhost:{tab.server.port}/")
    tab.page.wait_for_event("request", lambda _: sum("stream" in each.url for each in tab.requests) >= 3)
    assert len(loads) == 2


def test_it_works_under_a_path_of_another_server(tabs: Any, server: Served) -> None:
    tab: Tab = tabs()
    seen: list[str] = []

    def below(route: Any) -> None:
        seen.append(route.request.url)
        response = route.fetch(url=route.request.url.replace("/house/12/", "/"))
        route.fulfill(response=response)

    tab.page.route("**/house/12/**", lambda route: below(route) if "stream" not in route.request.url else route.abort())
    tab.page.goto(f"http://localhost:{server.port}/house/12/")
    expect(tab.page.get_by_text("Waiting for the first reading")).to_be_visible()
    tab.page.wait_for_event("request", lambda request: "stream" in request.url)
    assert seen
    urls = [request.url for request in tab.requests]
    assert [url for url in urls if "/house/12/" not in url] == []


def test_what_was_learned_is_asked_in_plain_words_and_answered_by_keyboard(tabs: Any, server: Served) -> None:
    server.learn()
    tab = tabs()
    page = tab.open()
    asked = page.get_by_role("region", name="Noticed")
    expect(asked).to_contain_text("your car never draws more than 7.4 kW. Plan with that?")
    asked.get_by_role("button", name="Plan with that").focus()
    page.keyboard.press("Enter")
    expect(asked).to_have_count(0)
    page.reload()
    with page.expect_response("**/api/v1/learned"):
        pass
    expect(asked).to_have_count(0)
    assert tab.troubles == []


def test_the_plan_says_how_good_its_forecasts_are(tabs: Any) -> None:
    tab = tabs()
    page = tab.open("plan")
    expect(page.get_by_role("heading", name="How good the forecasts are")).to_be_visible()
    expect(page.get_by_text("Consumption: off by 210 W on average")).to_contain_text("24 % better than")
    expect(page.get_by_text("Sun on Roof: not judged yet")).to_contain_text("At present without a weather forecast.")
    assert tab.troubles == []
