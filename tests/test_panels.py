"""What every panel owes, checked for all of them alike: the contract of ``demos.panel``."""

import inspect
import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos import DEMOS
from demos.controls import Choice, Choices, Flag, InputError, Integer, Real, Text, Upload
from demos.frame import api_function, dumps, payload, payloads
from demos.panel import Panel
from demos.view import View, column_word
from demos.words import TEXT, Word

PANELS = [panel for demo in DEMOS for panel in demo.panels]
EACH = pytest.mark.parametrize("panel", PANELS, ids=[f"{p.tab}_{p.key}" for p in PANELS])
RESERVED = {"tab", "panel", "lang", "mode", "with_figures"}


@pytest.fixture(scope="module")
def first():
    """The first view of every panel at its defaults, made once."""
    return {id(panel): panel.first(panel.check({})) for panel in PANELS}


@EACH
def test_parameters_are_the_controls(panel):
    names = list(inspect.signature(panel.view).parameters)
    assert names == list(panel.fields)
    assert not RESERVED & set(names)
    assert inspect.getdoc(panel.view)
    assert panel.check({}) == panel.defaults, "a default is outside its own domain"


@EACH
def test_words_are_complete(panel):
    for part in ("title", "lead", "math"):
        assert panel.word(part).text("zh") and panel.word(part).text("en")
    assert "http" in panel.word("math").text("en"), "the math links its source"
    assert len(panel.presets) >= 3
    for preset in panel.presets:
        assert panel.word(f"try_{preset.key}").text("zh")
        assert panel.word(f"try_{preset.key}_see").text("en")


@EACH
def test_first_view_has_a_caption_and_readings(panel, first):
    view = first[id(panel)]
    assert view.caption.text("zh") and view.caption.text("en")
    assert view.pictures or view.html
    assert view.table
    for name in view.table:
        column_word(panel.tab, name)


@EACH
def test_figures_are_valid_plotly(panel, first):
    for name in first[id(panel)].pictures:
        for lang in ("zh", "en"):
            first[id(panel)].plotly(name, lang)


@EACH
def test_axes_are_titled(panel, first):
    for name, figure in first[id(panel)].pictures.items():
        axes = [key for key in figure.layout if re.fullmatch(r"[xy]axis\d*", key)]
        assert len(axes) >= 2, name
        for key in axes:
            axis = figure.layout[key]
            hidden = axis.get("visible") is False or axis.get("matches") or axis.get("overlaying")
            titled = axis.get("title", {}).get("text")
            assert titled or hidden or not axis.get("showticklabels", True), f"{name}.{key}"


def spoken_strings(node, key=""):
    """Yield the strings of a figure that a person reads and that are not Words."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from spoken_strings(child, name)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from spoken_strings(child, key)
    elif isinstance(node, str) and key in ("text", "name", "hovertemplate", "ticktext", "label"):
        yield node


@EACH
def test_figures_speak_through_the_word_table(panel, first):
    for figure in first[id(panel)].pictures.values():
        for text in spoken_strings([list(figure.data), dict(figure.layout)]):
            bare = re.sub(r"%\{.*?\}|<.*?>", "", text)
            assert not re.search(r"[A-Za-z]{4,}|[\u3400-\u9fff]", bare), text


def words_in(node):
    if isinstance(node, Word):
        yield node
    elif isinstance(node, dict):
        for child in node.values():
            yield from words_in(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from words_in(child)


@EACH
def test_figures_hold_no_latex(panel, first):
    for figure in first[id(panel)].pictures.values():
        for word in words_in([list(figure.data), dict(figure.layout), figure.title]):
            for lang in ("zh", "en"):
                assert not re.search(r"\$|\\\w", word.text(lang)), word


@EACH
def test_payload_is_small_and_has_no_open_parameter(panel):
    packed = payload(panel, {})
    assert "error" not in packed, packed
    assert len(dumps(packed).encode()) <= 300_000
    for lang in ("zh", "en"):
        for text in packed["words"][lang]:
            assert not re.search(r"(?<!%)\{[a-z_]+\}", text), text


@EACH
def test_readings_hold_at_the_defaults(panel, first):
    """A ✗ is a result; at the defaults a visitor meets none without its note."""
    for reading in first[id(panel)].readings:
        assert reading.held is not False or reading.note, reading.report()


@EACH
def test_the_same_values_give_the_same_view(panel):
    assert dumps(payload(panel, {})) == dumps(payload(panel, {}))


@EACH
def test_presets_set_legal_values_that_change_the_view(panel):
    for preset in panel.presets:
        values = panel.check(preset.apply(panel.defaults))
        packed = payload(panel, values)
        assert "error" not in packed, (preset.key, packed)
        assert values != panel.defaults, preset.key
        assert len(dumps(packed).encode()) <= 300_000, preset.key


@EACH
def test_a_link_restores_every_value(panel):
    from urllib.parse import parse_qsl

    for preset in panel.presets:
        values = panel.check(preset.apply(panel.defaults))
        query = dict(parse_qsl(panel.query(values), keep_blank_values=True))
        assert query.pop("tab") == panel.tab and query.pop("panel") == panel.key
        restored, problems = panel.from_query(query)
        assert restored == values and not problems


@EACH
def test_a_bad_link_falls_back_and_says_so(panel):
    for name, control in panel.fields.items():
        if isinstance(control, Text):
            continue
        values, problems = panel.from_query({name: "☃"})
        assert values == panel.defaults
        assert len(problems) == 1 and problems[0].text("zh")
    values, problems = panel.from_query({"no_such_setting": "1"})
    assert values == panel.defaults and len(problems) == 1


def shrunk(panel: Panel):
    """Return the defaults, with the long panels' work cut short where a control allows it."""
    most, cheap = {"n_trials": 3, "steps": 4}, {"fit": "these"}
    values = {name: min(most.get(name, v), v) for name, v in panel.defaults.items() if name in most}
    values |= {name: value for name, value in cheap.items() if name in panel.fields}
    return {**panel.defaults, **values}


@EACH
def test_the_snippet_runs_and_gives_the_table_on_screen(panel):
    values = panel.check(shrunk(panel))
    scope: dict[str, Any] = {"print": lambda *_: None}
    exec(compile(panel.code(values), panel.key, "exec"), scope)
    *_, last = panel.views(values)
    view = scope["view"]
    assert isinstance(view, View) and list(view.table) == list(last.table)
    for name, column in last.table.items():
        np.testing.assert_array_equal(np.asarray(view.table[name]), np.asarray(column))


@EACH
def test_the_api_gives_figures_and_readings(panel):
    function = api_function(panel)
    assert function.__name__ == f"{panel.tab}_{panel.key}"
    for name in panel.fields:
        assert f"{name}: " in (function.__doc__ or "")
    figures, result = function(**shrunk(panel), lang="zh")
    json.dumps([figures, result], allow_nan=False)
    assert set(result) == {"caption", "readings", "table", "notes", "code", "link"}
    assert figures.keys() == panel.first(panel.check(shrunk(panel))).pictures.keys() or panel.long
    assert function(**shrunk(panel), with_figures=False)[0] == {}


def test_the_api_refuses_with_the_same_sentence_as_the_page():
    import gradio as gr

    for panel in PANELS:
        for name, control in panel.fields.items():
            if isinstance(control, (Integer, Real)):
                with pytest.raises(gr.Error) as caught:
                    api_function(panel)(**{name: "☃"}, lang="zh")
                assert caught.value.message == payload(panel, {name: "☃"})["error"]["zh"]


def test_the_api_reads_no_file_of_the_server(tmp_path):
    import gradio as gr

    secret = tmp_path / "secret.csv"
    secret.write_text("1,2\n3,4\n")
    for panel in PANELS:
        for name, control in panel.fields.items():
            if isinstance(control, Upload):
                for value in (str(secret), {"path": str(secret)}, "../../secret.csv", "a\0.csv"):
                    with pytest.raises(gr.Error):
                        api_function(panel)(**{name: value})


def legal(control):
    """Return a strategy of values the control accepts, small ones first."""
    if isinstance(control, Integer):
        top = min(control.high, control.low + control.step * 40_000)
        steps = st.integers(0, (top - control.low) // control.step)
        return steps.map(lambda i: control.low + i * control.step) | st.just(control.high)
    if isinstance(control, Real):
        reals = st.floats(control.low, control.high)
        return reals | st.just(math.inf) if control.infinite else reals
    if isinstance(control, Choice):
        return st.sampled_from(control.options)
    if isinstance(control, Choices):
        return st.lists(st.sampled_from(control.options), min_size=control.least, unique=True)
    if isinstance(control, Flag):
        return st.booleans()
    return st.just(control.default)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
FUZZ = settings(
    max_examples=25,
    deadline=10_000,  # milliseconds: the cap on one live view, far above what any needs
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@EACH
@FUZZ
@given(data=st.data())
def test_any_legal_values_give_a_view_or_a_clear_refusal(panel, data):
    """No value in the domain of the controls breaks a panel; only a cost cap may refuse."""
    values = {name: data.draw(legal(c), label=name) for name, c in panel.fields.items()}
    packed = payload(panel, values)
    if "error" in packed:
        assert packed["error"]["en"] != TEXT["en"]["frame.error_bug"], packed
    else:
        assert len(dumps(packed).encode()) <= 300_000
        assert all(len(text) < 2_000 for text in packed["words"]["zh"])


@EACH
@FUZZ
@given(data=st.data())
def test_any_json_gives_a_view_or_a_clear_sentence(panel, data):
    mixed = {n: legal(c) | ANYTHING for n, c in panel.fields.items()}
    values = {name: data.draw(kind, label=name) for name, kind in mixed.items()}
    packed = payload(panel, values)
    if "error" in packed:
        assert packed["error"]["en"] != TEXT["en"]["frame.error_bug"], packed
        assert len(packed["error"]["zh"]) < 1_000


@EACH
def test_unknown_parameters_are_refused(panel):
    with pytest.raises(InputError):
        panel.check({"no_such_setting": 1})


@pytest.mark.parametrize("panel", [p for p in PANELS if p.long], ids=lambda p: f"{p.tab}_{p.key}")
def test_long_work_reports_progress_and_ends_finished(panel):
    views = list(payloads(panel, shrunk(panel)))
    shares = [view["progress"] for view in views[:-1]]
    assert all(0 <= share <= 1 for share in shares) and shares == sorted(shares)
    assert views[-1]["progress"] is None and views[-1]["running"] is False
    assert len(views) >= 2


@pytest.mark.parametrize("panel", [p for p in PANELS if p.long], ids=lambda p: f"{p.tab}_{p.key}")
def test_long_work_stops_at_its_deadline(panel):
    views = list(payloads(panel, panel.defaults, deadline=-1.0))
    assert len(views) == 1 and views[0]["running"] is False
    assert any(text.startswith("Stopped after") for text in views[0]["words"]["en"])


def test_stopping_ends_the_work():
    """Gradio closes the page's generator; the panel's own must end with it."""
    ended = []

    def work(n):
        """Count until closed."""
        try:
            for step in range(n):
                yield PANELS[0].first(PANELS[0].defaults | {"test_len": step + 1})
        finally:
            ended.append(True)

    panel = Panel(work, lambda: {"n": Integer(default=1000, low=1, high=1000)})
    work.__module__ = PANELS[0].view.__module__
    views = panel.views(panel.defaults)
    next(views)
    views.close()
    assert ended == [True]


def test_a_bug_is_logged_and_never_shown(monkeypatch, caplog):
    def broken(**_):
        raise RuntimeError("secret detail")

    panel = PANELS[0]
    monkeypatch.setattr(Panel, "first", lambda self, values: broken())
    packed = payload(panel, {})
    assert packed == {"error": {lang: TEXT[lang]["frame.error_bug"] for lang in ("zh", "en")}}
    assert "secret detail" in caplog.text
