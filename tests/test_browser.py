"""The page as a person meets it: every panel, both languages, themes and widths, in Chromium.

One page per width walks through all panels; language and theme are switched on the open page,
which is what a visitor does. Nothing leaves the origin, nothing is written to the console.
"""

import io
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_playwright_python import sync_playwright as axe_package
from PIL import Image

from demos import DEMOS
from demos.controls import Choice, Flag, Integer, Real
from demos.frame import POOL
from demos.site import FASTER
from demos.words import TEXT

PANELS = [panel for demo in DEMOS for panel in demo.panels]
SIZES = {"laptop": (1366, 768), "phone": (390, 844)}
AXE = (Path(axe_package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
KEYS = "|".join(["frame", *(demo.key for demo in DEMOS)])
UNTRANSLATED = re.compile(rf"§|\b(?:{KEYS})\.[a-z]+_|undefined|NaN\b")
DRAWN = "() => [...document.querySelectorAll('#{0}-stage .ssp-plot')].some(p => p.dataset.drawn)"


READ = (  # values of all sliders and number fields of a panel
    "() => [...document.querySelectorAll('#PANEL .ssp-controls input')]"
    ".filter(i => ['range', 'number'].includes(i.type) || i.closest('.ssp-log')).map(i => i.value)"
)


class Visit:
    """An open page with everything it complained about."""

    def __init__(self, browser, server, size, locale="en-US", query=""):
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.server = server
        self.trouble: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", self.listen)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", self.watch)
        self.page.goto(f"{server}/{query}")
        self.page.locator(".ssp-plot[data-drawn]").first.wait_for()

    def listen(self, message):
        if message.type in ("error", "warning"):
            self.trouble.append(message.text)

    def watch(self, request):
        if not request.url.startswith((self.server, "data:", "blob:")):
            self.foreign.append(request.url)

    def open(self, panel):
        self.tab(f"#tab-{panel.tab}", TEXT[self.lang][f"{panel.tab}.title"])
        self.tab(f"#panel-{panel.tab}-{panel.key}", panel.word("title").text(self.lang))
        self.drawn(panel)

    def tab(self, content, name):
        """Open a tab by its button, in the menu of what did not fit if need be."""
        if self.page.locator(content).is_visible():
            return
        button = self.page.get_by_role("tab", name=name, exact=True)
        shown = [b for b in button.all() if b.is_visible()]
        if not shown:  # some bar, the outer or the inner one, holds it in its menu
            for more in self.page.locator(".overflow-menu > button:visible").all():
                more.click()
                items = self.page.locator(".overflow-dropdown button").all()
                shown = [b for b in items if b.is_visible() and b.inner_text().strip() == name]
                if shown:
                    break
                more.click()
        shown[0].click()

    def drawn(self, panel):
        self.page.wait_for_function(DRAWN.format(f"{panel.tab}-{panel.key}"))

    @property
    def lang(self):
        return "zh" if self.page.evaluate("document.documentElement.lang") == "zh-CN" else "en"

    def stage(self, panel):
        return self.page.locator(f"#{panel.tab}-{panel.key}-stage")

    def settle(self):
        """Wait for the next frame and for colours that fade into one another."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r, 60)))")
        self.page.wait_for_function(
            "() => document.getAnimations().every((a) => a.playState !== 'running'"
            " || a.effect.getComputedTiming().endTime === Infinity)"
        )

    def check_no_trouble(self):
        assert not self.trouble and not self.foreign, (self.trouble, self.foreign)

    def close(self):
        self.context.close()


@pytest.fixture
def visit(browser, server):
    opened = []

    def start(size="laptop", **options):
        opened.append(Visit(browser, server, size, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def overflow(page):
    return page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def visible_text(page, panel):
    return page.locator(f"#{panel.tab}-{panel.key}").inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_every_panel_in_both_languages_and_themes(visit, size):
    visitor = visit(size)
    page = visitor.page
    for panel in PANELS:
        visitor.open(panel)
        for lang in ("zh", "en"):
            page.locator(f"[data-lang={lang}]").click()
            page.wait_for_function(
                "([id, text]) => document.getElementById(id).innerText.includes(text)",
                arg=[f"{panel.tab}-{panel.key}", TEXT[lang]["frame.ui_try"]],
            )
            label = panel.label(next(iter(panel.fields))).text(lang)
            page.get_by_text(label, exact=True).locator("visible=true").first.wait_for()
            for theme in ("dark", "light"):
                page.locator(f"[data-theme={theme}]").click()
                visitor.settle()
                paper = page.evaluate(
                    "id => document.querySelector(`#${id} .ssp-plot`)?._fullLayout.paper_bgcolor",
                    f"{panel.tab}-{panel.key}",
                )
                assert paper in (None, "#111827" if theme == "dark" else "#ffffff")
            text = visible_text(page, panel)
            assert not UNTRANSLATED.search(text), text
            assert overflow(page) <= 0, (panel.key, lang, overflow(page))
            if lang == "zh":
                assert not re.search(r"[A-Za-z]{3,}( [a-z]{3,}){4,}", english_allowed(text)), text
    visitor.check_no_trouble()


def english_allowed(text):
    """Drop what is English in both languages: code, titles of papers, data."""
    return re.sub(r"from demos\.[\s\S]*?print\(view\)", "", text)


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: f"{p.tab}_{p.key}")
def test_a_control_changes_the_picture_and_the_link_restores_it(visit, panel):
    query = f"?tab={panel.tab}&panel={panel.key}&lang=en"
    visitor = visit(query=query)
    visitor.drawn(panel)
    before = picture(visitor, panel)
    visitor.page.locator(f"#{panel.tab}-{panel.key} .ssp-try li button").first.click()
    visitor.page.wait_for_function(
        "([id, old]) => JSON.stringify([...document.querySelectorAll(`#${id}-stage .ssp-plot`)]"
        ".map(p => [p.data, p.layout.shapes, p.layout.annotations])) !== old",
        arg=[f"{panel.tab}-{panel.key}", before],
    )
    change_one_control(visitor, panel)
    visitor.settle()
    after = picture(visitor, panel)
    assert after != before
    visitor.stage(panel).locator("[data-tool=copy_link]").click()
    link = visitor.stage(panel).locator(".ssp-link").input_value()
    assert f"panel={panel.key}" in link and "lang=en" in link
    visitor.check_no_trouble()
    again = visit(query=link.removeprefix(visitor.server).removeprefix("/"))
    again.drawn(panel)
    assert picture(again, panel) == after
    again.check_no_trouble()


def picture(visitor, panel):
    """Return what is drawn, an animation at its last step."""
    visitor.stage(panel).locator(".ssp-player").evaluate(
        "e => e.querySelector('input')?.value !== e.querySelector('input')?.max"
        " && (e.querySelector('input').value = e.querySelector('input').max)"
        " && e.querySelector('input').dispatchEvent(new Event('input'))"
    )
    return visitor.page.evaluate(
        "id => JSON.stringify([...document.querySelectorAll(`#${id}-stage .ssp-plot`)]"
        ".map(p => [p.data, p.layout.shapes, p.layout.annotations]))",
        f"{panel.tab}-{panel.key}",
    )


def change_one_control(visitor, panel):
    """Move the first visible slider by the keyboard, as someone without a mouse does."""
    for name, control in panel.fields.items():
        if isinstance(control, (Integer, Real)) and not control.advanced:
            box = visitor.page.locator(f"#{panel.tab}-{panel.key}-{name} input[type=range]")
            if box.count() and box.first.is_visible():
                drawn = counter(visitor, panel)
                box.first.focus()
                at_start = box.first.evaluate("e => Number(e.value) <= Number(e.min)")
                visitor.page.keyboard.press("ArrowRight" if at_start else "ArrowLeft")
                visitor.page.wait_for_function(
                    "([id, old]) => [...document.querySelectorAll(`#${id}-stage .ssp-plot`)]"
                    ".reduce((n, p) => n + Number(p.dataset.drawn || 0), 0) > old",
                    arg=[f"{panel.tab}-{panel.key}", drawn],
                )
                return


def counter(visitor, panel):
    return visitor.page.evaluate(
        "id => [...document.querySelectorAll(`#${id}-stage .ssp-plot`)]"
        ".reduce((n, p) => n + Number(p.dataset.drawn || 0), 0)",
        f"{panel.tab}-{panel.key}",
    )


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.key)
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_serious_violation(visit, size, demo):
    """Every panel by all rules in the light theme, its colours again in the dark one."""
    visitor = visit(size, locale="zh-CN", query=f"?tab={demo.key}&__theme=light")
    page, found = visitor.page, []
    page.evaluate("source => (0, eval)(source)", AXE)
    for panel in demo.panels:
        visitor.open(panel)
        for theme in ("light", "dark"):
            page.locator(f"[data-theme={theme}]").click()
            visitor.settle()
            # the whole page once; then what has changed, or hidden panels would add up
            place = None if panel is demo.panels[0] else f"#{panel.tab}-{panel.key}"
            result = page.evaluate(
                "([place, rules]) => axe.run(place ?? document,"
                " {resultTypes: ['violations'], ...(rules && {runOnly: rules})})",
                [place, ["color-contrast"] if theme == "dark" else None],
            )
            found += [
                (panel.key, theme, v["id"], [n["html"][:160] for n in v["nodes"]][:3])
                for v in result["violations"]
                if v["impact"] in ("serious", "critical")
            ]
        page.locator("[data-theme=light]").click()
    assert not found


def test_the_page_opens_in_the_browsers_language(visit):
    visitor = visit(locale="zh-TW")
    visitor.drawn(PANELS[0])
    assert visitor.lang == "zh"
    assert TEXT["zh"]["frame.ui_name"] in visitor.page.locator("h1").inner_text()
    visitor.check_no_trouble()


HEARD = """([slow, fast]) => {
  const {components, dependencies} = window.gradio_config;
  const hear = (source) => {
    const one = new (eval(`(class { ${source} })`))();
    return components.map(({id}) => {
      const node = {id, props: {shared_props: {}}};
      return one.find_attached_events(node, dependencies).props.shared_props.attached_events;
    });
  };
  return [hear(slow), hear(fast)];
}"""


def test_events_are_heard_as_without_our_table(visit):
    ((slow, fast),) = [pair for pair in FASTER.items() if "find_attached_events" in pair[0]]
    by_search, by_table = visit().page.evaluate(HEARD, [slow, fast])
    assert by_search == by_table and sum(map(len, by_search)) > 500


def test_only_the_visible_panel_draws_at_first(visit):
    visitor = visit()
    calls = []
    visitor.page.on("request", lambda r: calls.append(r.url) if "/run/" in r.url else None)
    visitor.drawn(PANELS[0])
    visitor.settle()
    assert visitor.page.locator(".ssp-plot[data-drawn]").count() <= len(
        PANELS[0].first(PANELS[0].check({})).pictures
    )
    assert len(calls) <= 1


def test_a_language_switch_keeps_the_values(visit):
    panel = next(p for p in PANELS if any(isinstance(c, Integer) for c in p.fields.values()))
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&lang=en")
    visitor.drawn(panel)
    visitor.page.locator(f"#{panel.tab}-{panel.key} .ssp-try li button").first.click()
    visitor.page.wait_for_function("() => location.search.split('&').length > 3")
    visitor.settle()
    read = READ.replace("PANEL", f"{panel.tab}-{panel.key}")
    values = visitor.page.evaluate(read)
    visitor.page.locator("[data-lang=zh]").click()
    label = panel.label(next(iter(panel.fields))).text("zh")
    visitor.page.get_by_text(label, exact=True).locator("visible=true").first.wait_for()
    assert values and visitor.page.evaluate(read) == values


def test_an_error_stays_beside_the_kept_picture(visit):
    panel = next(p for p in PANELS if any(getattr(c, "log", False) for c in p.fields.values()))
    name = next(n for n, c in panel.fields.items() if getattr(c, "log", False))
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&lang=zh")
    visitor.drawn(panel)
    before = picture(visitor, panel)
    visitor.page.locator(f"#{panel.tab}-{panel.key}-{name} input[type=text]").fill("☃")
    notice = visitor.stage(panel).locator(".ssp-notice .error")
    notice.wait_for()
    assert "☃" in notice.inner_text() and panel.label(name).text("zh") in notice.inner_text()
    assert picture(visitor, panel) == before
    visitor.page.locator("[data-lang=en]").click()
    assert panel.label(name).text("en") in notice.inner_text()


def test_a_bad_link_is_named_on_the_page(visit):
    panel = PANELS[0]
    name = next(n for n, c in panel.fields.items() if not isinstance(c, (Flag, Choice)))
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&{name}=☃&lang=en")
    visitor.drawn(panel)
    assert "☃" in visitor.stage(panel).locator(".ssp-notice").inner_text()


@pytest.mark.parametrize("kind", ["csv", "png", "svg", "html"])
def test_downloads(visit, kind):
    panel = PANELS[0]
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&lang=zh")
    visitor.drawn(panel)
    with visitor.page.expect_download() as caught:
        visitor.stage(panel).locator(f"[data-tool={kind}]").click()
    content = Path(caught.value.path()).read_bytes()
    assert caught.value.suggested_filename.endswith(kind)
    if kind == "csv":
        import pandas as pd

        frame = pd.read_csv(io.BytesIO(content))
        table = panel.first(panel.check({})).table
        assert list(frame.columns) == list(table) and len(frame) == len(next(iter(table.values())))
    if kind == "png":
        assert content.startswith(b"\x89PNG")
    if kind == "html":
        assert b"Plotly.newPlot" in content and len(content) > 1_000_000


def test_zoom_survives_an_update_and_the_node_is_kept(visit):
    panel = PANELS[0]
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&lang=en")
    visitor.drawn(panel)
    plot = f"document.querySelector('#{panel.tab}-{panel.key}-stage .ssp-plot')"
    visitor.page.evaluate(f"() => {{ {plot}.mark = 1 }}")
    change_one_control(visitor, panel)
    assert visitor.page.evaluate(f"() => {plot}.mark") == 1


def test_lecture_mode_fills_the_projector(visit):
    panel = PANELS[0]
    visitor = visit(query=f"?tab={panel.tab}&panel={panel.key}&mode=lecture&lang=zh")
    visitor.drawn(panel)
    assert not visitor.page.locator(".ssp-header").is_visible()
    assert not visitor.page.locator(".ssp-footer").is_visible()
    box = visitor.stage(panel).locator(".ssp-figures").bounding_box()
    assert box["y"] < 120 and box["y"] + box["height"] <= 768
    visitor.page.keyboard.press("Escape")
    visitor.page.locator(".ssp-header").wait_for()


def test_theme_follows_the_system_until_it_is_chosen(visit):
    visitor = visit()
    visitor.drawn(PANELS[0])
    page = visitor.page
    assert not page.evaluate("document.body.classList.contains('dark')")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.body.classList.contains('dark')")
    page.locator("[data-theme=light]").click()
    assert not page.evaluate("document.body.classList.contains('dark')")
    assert "__theme=light" in page.url
    page.reload()
    visitor.drawn(PANELS[0])
    assert not page.evaluate("document.body.classList.contains('dark')")


def first_views():
    return [(panel, panel.first(panel.defaults)) for panel in PANELS]


@pytest.mark.parametrize(
    "panel", [p for p, view in first_views() if view.steps], ids=lambda p: f"{p.tab}_{p.key}"
)
def test_an_animation_plays_and_is_scrubbed_without_the_server(visit, panel):
    visitor = visit(query=f"?{panel.query(panel.defaults)}&lang=en")
    visitor.drawn(panel)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    player = visitor.stage(panel).locator(".ssp-player")
    label, slider = player.locator("output"), player.locator("input")
    slider.focus()
    visitor.page.keyboard.press("End")  # pauses one that plays by itself
    last = label.inner_text()
    visitor.page.keyboard.press("Home")
    first = label.inner_text()
    assert first != last and slider.get_attribute("aria-valuetext") == first
    player.locator("[data-tool=play]").click()
    visitor.page.wait_for_function(
        "([node, text]) => node.innerText !== text", arg=[label.element_handle(), first]
    )
    player.locator("[data-tool=play]").click()
    held = label.inner_text()
    visitor.settle()
    assert label.inner_text() == held
    assert not [url for url in asked if not url.startswith(("data:", "blob:"))]
    visitor.check_no_trouble()


@pytest.mark.parametrize(
    "panel",
    [p for p, view in first_views() if any(f.drawn for f in view.pictures.values())],
    ids=lambda p: f"{p.tab}_{p.key}",
)
def test_what_is_drawn_by_hand_goes_into_the_link(visit, panel):
    drawn = next(f.drawn for f in panel.first(panel.defaults).pictures.values() if f.drawn)
    visitor = visit(query=f"?{panel.query(panel.defaults)}&lang=en")
    visitor.drawn(panel)
    visitor.stage(panel).locator(".ssp-pen").first.click()
    box = visitor.stage(panel).locator(".ssp-pad:visible").bounding_box()
    mouse = visitor.page.mouse
    mouse.move(box["x"] + 80, box["y"] + 100)
    mouse.down()
    for share in (0.3, 0.5, 0.9):
        mouse.move(box["x"] + share * box["width"], box["y"] + (1 - share / 2) * 150)
    mouse.up()
    visitor.page.wait_for_function(f"() => location.search.includes('{drawn['into']}=')")
    visitor.page.wait_for_function(
        "([name, old]) => new URLSearchParams(location.search).get(name) !== old",
        arg=[drawn["into"], panel.defaults[drawn["into"]]],
    )
    query = dict(parse_qsl(urlsplit(visitor.page.url).query))
    text = query[drawn["into"]]
    if drawn["kind"] == "heights":
        assert len(text.split()) == drawn["points"]
    else:
        assert len(text.split()) >= 4 and ";" not in text
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
        mouse.down()
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 140)
        mouse.up()
        visitor.page.wait_for_function("() => location.search.includes('%3B')")  # a second stroke
        query = dict(parse_qsl(urlsplit(visitor.page.url).query))
        assert query[drawn["into"]].startswith(f"{text};")
    assert all(query[name] == value for name, value in drawn["set"].items())
    visitor.check_no_trouble()


def test_an_animation_is_saved_as_a_gif(visit):
    panel = next(p for p, view in first_views() if view.steps)
    visitor = visit(query=f"?{panel.query(panel.defaults)}&lang=en")
    visitor.drawn(panel)
    with visitor.page.expect_download(timeout=60_000) as started:
        visitor.stage(panel).locator("[data-tool=gif]").click()
    with Image.open(started.value.path()) as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) == len(panel.first(panel.defaults).steps)
    assert started.value.suggested_filename.endswith(".gif")
    visitor.check_no_trouble()


def test_who_waits_is_told_the_place_in_the_queue(visit):
    """One pool serves all: who presses Run while it is busy sees where they stand."""
    query = "?tab=ddpm&panel=denoising&n_visits=1000&n_pictures=16&guidance=1&lang="
    panel = next(p for p in PANELS if (p.tab, p.key) == ("ddpm", "denoising"))
    busy = [visit(query=f"{query}en") for _ in range(POOL["concurrency_limit"])]
    waiting = visit(query=f"{query}zh")
    for visitor in (*busy, waiting):
        visitor.drawn(panel)
        visitor.page.locator("#ddpm-denoising-run").click()
        if visitor is not waiting:
            visitor.stage(panel).locator("progress").wait_for(state="visible")
    place = TEXT["zh"]["frame.ui_queued"].replace("{place}", "1").replace("{all}", "1")
    waiting.stage(panel).get_by_text(place).wait_for()
    for visitor in (waiting, *busy):
        visitor.page.locator("#ddpm-denoising-stop").click()
    waiting.stage(panel).get_by_text(place).wait_for(state="hidden")


STOP_AT_PROGRESS = """(name) => {
  const bar = document.querySelector(`#${name}-stage progress`);
  new MutationObserver((_, self) => {
    if (!bar.hidden) { self.disconnect(); document.querySelector(`#${name}-stop`).click(); }
  }).observe(bar, { attributes: true });
}"""  # in the page itself: from here the click could come when the work is done


@pytest.mark.parametrize("panel", [p for p in PANELS if p.long], ids=lambda p: f"{p.tab}_{p.key}")
def test_long_work_shows_progress_and_stops(visit, panel):
    slow = {"n_trials": 200, "length": 65_536, "eps": 0.15, "order": 128, "n_samples": 20_000}
    slow |= {"n_steps": 100_000, "n_seeds": 500, "dim": 64}
    values = panel.defaults
    for name, control in panel.fields.items():
        if name in slow and isinstance(control, (Integer, Real)):
            values[name] = min(slow[name], control.high)
    visitor = visit(query=f"?{panel.query(values)}&lang=en")
    visitor.drawn(panel)
    name = f"{panel.tab}-{panel.key}"
    visitor.page.evaluate(STOP_AT_PROGRESS, name)
    visitor.page.locator(f"#{name}-run").click()
    visitor.stage(panel).get_by_text(TEXT["en"]["frame.ui_stopped"]).wait_for()
    assert visitor.stage(panel).locator("progress").is_hidden()
