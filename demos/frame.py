"""The frame: from the list of tabs to the whole Gradio page, done once for every panel alike.

Each panel gets: its controls, a stage (``assets/frame.js`` draws it from one JSON payload), "Try
this", the math, its events, and one API endpoint and MCP tool ``<tab>_<panel>``. Live panels answer
without the queue and without state; long panels stream from the queue in one CPU pool.
"""

import itertools
import logging
import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import orjson
from gradio.events import api
from gradio.utils import get_upload_folder

from demos.controls import (
    Choice,
    Choices,
    Control,
    Flag,
    InputError,
    Integer,
    Real,
    Text,
    Upload,
    option_words,
)
from demos.panel import Demo, Panel, Values
from demos.site import Site
from demos.view import View, page
from demos.words import LANGUAGES, TEXT, Language, W, Word, language

log = logging.getLogger(__name__)

DEADLINE = 120.0  # seconds of long work for one visitor
PAUSE = 0.2  # seconds between two pictures of long work; the browser draws no faster
MOST_BOXES = 8  # choices shown as boxes to tick; more become a list
CORES = os.cpu_count() or 1
POOL: dict[str, Any] = {"concurrency_id": "cpu", "concurrency_limit": max(1, CORES // 2)}
LIVE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

Props = Callable[[Language], dict[str, Any]]


@dataclass
class Frame:
    """The page under construction.

    Args:
        demos: The tabs in reading order.
        blocks: The Gradio page.
        spoken: Components with words, and the properties that hold them in each language.
        fields: Control components by tab, panel and parameter.
        stages: Stage components by tab and panel.
        tabs: The outer tab bar and the inner one of each tab, by key ("" is the outer).
    """

    demos: Sequence[Demo]
    blocks: gr.Blocks
    spoken: list[tuple[Any, Props]] = field(default_factory=list)
    fields: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    stages: dict[tuple[str, str], Any] = field(default_factory=dict)
    tabs: dict[str, Any] = field(default_factory=dict)

    def speak(self, component: Any, props: Props) -> Any:
        """Remember the words of a component, built in English, and return it."""
        self.spoken.append((component, props))
        return component

    def spoken_props(self, lang: Language) -> dict[int, dict[str, Any]]:
        """Return the properties that hold words, by component id, in one language."""
        return {component._id: props(lang) for component, props in self.spoken}

    def address(self, query: Mapping[str, str]) -> dict[int, dict[str, Any]]:
        """Return the properties a link sets, by component id: open tab, panel, control values.

        What cannot be used falls back to its default; the stage says so.
        """
        given = {k: v for k, v in query.items() if k not in ("lang", "mode", "__theme")}
        wanted_tab, wanted_panel = given.pop("tab", None), given.pop("panel", None)
        if wanted_tab is None:
            return {}
        demo = next((d for d in self.demos if d.key == wanted_tab), self.demos[0])
        panel = demo.panel(wanted_panel or "") or demo.panels[0]
        known = demo.key == wanted_tab and panel.key == (wanted_panel or panel.key)
        values, problems = panel.from_query(given if known else {})
        if not known:
            problems.append(W("frame.link_unknown"))
        place = (demo.key, panel.key)
        props: dict[int, dict[str, Any]] = {
            self.tabs[""]._id: {"selected": demo.key},
            self.tabs[demo.key]._id: {"selected": panel.key},
        }
        for name, component in self.fields[place].items():
            props[component._id] = {"value": shown_value(panel.fields[name], values[name])}
        if problems:
            notice = {lang: [p.text(lang) for p in problems] for lang in LANGUAGES}
            props[self.stages[place]._id] = {"value": dumps({"notice": notice})}
        return props


def dumps(payload: Any) -> str:
    """Return JSON text; NaN becomes null."""
    return orjson.dumps(payload).decode()


def message(payload: dict[str, Any]) -> str:
    """Return what a stage receives: never twice the same text, or the browser would not notice."""
    return dumps({**payload, "serial": next(_serial)})


_serial = itertools.count()


def build(demos: Sequence[Demo]) -> Frame:
    """Return the whole page for a list of tabs."""
    with gr.Blocks(
        title=TEXT["en"]["frame.title"], analytics_enabled=False, delete_cache=(3600, 86400)
    ) as blocks:
        # before the content: Gradio makes its whole application again here
        blocks.queue(max_size=200, default_concurrency_limit=2, status_update_rate=10)
        frame = Frame(demos, blocks)
        header = _html(
            value="en",
            html_template='<header class="ssp-header"></header>',
            js_on_load="ssp.header(element, props, trigger, watch)",
            elem_id="header",
        )
        with gr.Tabs(elem_id="tabs", elem_classes="ssp-tabs") as frame.tabs[""]:
            for demo in demos:
                _add_tab(frame, demo)
        _html(
            html_template='<footer class="ssp-footer"></footer>', js_on_load="ssp.footer(element)"
        )
        for demo in demos:
            for panel in demo.panels:
                _publish(panel)
        components = [component for component, _ in frame.spoken]
        header.input(
            lambda lang: [gr.update(**props(language(lang))) for _, props in frame.spoken],
            [header],
            components,
            **LIVE,
        )
    return frame


def _html(**options: Any) -> Any:
    """Return a component that ``assets/frame.js`` draws, without Gradio's prose styles."""
    return gr.HTML(apply_default_css=False, **options)


def launch(frame: Frame, **more: Any) -> Any:
    """Serve the page: offline, without telemetry, with API, MCP and compressed files."""
    from starlette.middleware import Middleware

    options: dict[str, Any] = {
        "theme": theme(),
        "ssr_mode": False,
        "pwa": False,
        "show_error": True,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "max_file_size": "12mb",
        "mcp_server": True,
        "app_kwargs": {"middleware": [Middleware(Site, frame=frame)]},
    }
    return frame.blocks.launch(**{**options, **more})


def theme() -> Any:
    """Return the theme: system fonts (with Chinese ones), quiet colours, AA contrast."""
    from demos.figures import FONT

    fonts = [part.strip().strip("'") for part in FONT.split(",")]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", radius_size="md", font=fonts, font_mono=mono
    ).set(
        body_background_fill="#f6f8fb",
        body_background_fill_dark="#0b1120",
        block_background_fill="#ffffff",
        block_background_fill_dark="#111827",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="#334155",
        block_label_text_color_dark="#cbd5e1",
        block_info_text_color="#52607a",
        block_info_text_color_dark="#a3b1c6",
        block_title_text_weight="550",
        slider_color="#0067ab",
        slider_color_dark="#5eb3f2",
        button_primary_background_fill="#0067ab",
        button_primary_background_fill_hover="#00558f",
        button_primary_background_fill_dark="#0b6fb8",
    )


def _add_tab(frame: Frame, demo: Demo) -> None:
    with gr.Tab(TEXT["en"][f"{demo.key}.title"], id=demo.key, elem_id=f"tab-{demo.key}") as tab:
        frame.speak(tab, lambda lang: {"label": TEXT[lang][f"{demo.key}.title"]})
        intro = gr.Markdown(_intro(demo, "en"), latex_delimiters=LATEX, elem_classes="ssp-intro")
        frame.speak(intro, lambda lang: {"value": _intro(demo, lang)})
        with gr.Tabs(elem_classes="ssp-panels") as frame.tabs[demo.key]:
            for panel in demo.panels:
                _add_panel(frame, demo, panel)


def _intro(demo: Demo, lang: Language) -> str:
    """Return a tab's heading, two sentences and its sources as Markdown."""
    words = TEXT[lang]
    links = " · ".join(
        f"[{words[f'{demo.key}.source_{key}']}]({address})" for key, address in demo.sources.items()
    )
    sources = f"{words['frame.sources']} {links}"
    return f"## {words[f'{demo.key}.heading']}\n\n{words[f'{demo.key}.intro']} {sources}"


def _add_panel(frame: Frame, demo: Demo, panel: Panel) -> None:
    place = (demo.key, panel.key)
    name = f"{demo.key}-{panel.key}"
    title = panel.word("title")
    with gr.Tab(title.text(), id=panel.key, elem_id=f"panel-{name}") as tab:
        frame.speak(tab, lambda lang: {"label": title.text(lang)})
        with gr.Row(elem_classes="ssp-panel", elem_id=name):
            lead = gr.Markdown(panel.word("lead").text(), elem_classes="ssp-lead")
            frame.speak(lead, lambda lang: {"value": panel.word("lead").text(lang)})
            with gr.Column(elem_classes="ssp-controls", min_width=0):
                buttons = _run_buttons(frame, name) if panel.long else ()
                inputs = frame.fields[place] = _controls(frame, panel)
            stage = frame.stages[place] = _html(
                html_template='<div class="ssp-stage"></div>',
                js_on_load="ssp.stage(element, props, trigger, watch)",
                elem_id=f"{name}-stage",
                elem_classes="ssp-stage-box",
            )
            presets = _html(
                value=dumps({lang: _preset_words(panel, lang) for lang in LANGUAGES}),
                html_template='<div class="ssp-try"></div>',
                js_on_load="ssp.presets(element, props, trigger)",
                elem_classes="ssp-try-box",
            )
            with gr.Accordion(TEXT["en"]["frame.math"], elem_classes="ssp-math") as accordion:
                frame.speak(accordion, lambda lang: {"label": TEXT[lang]["frame.math"]})
                math = gr.Markdown(panel.word("math").text(), latex_delimiters=LATEX)
                frame.speak(math, lambda lang: {"value": panel.word("math").text(lang)})
    _wire(panel, inputs, stage, presets, buttons)


LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


def _preset_words(panel: Panel, lang: Language) -> list[tuple[str, str]]:
    return [
        (panel.word(f"try_{p.key}").text(lang), panel.word(f"try_{p.key}_see").text(lang))
        for p in panel.presets
    ]


def _run_buttons(frame: Frame, name: str) -> tuple[Any, Any]:
    with gr.Row(elem_classes="ssp-run"):
        run = gr.Button(TEXT["en"]["frame.run"], variant="primary", elem_id=f"{name}-run")
        stop = gr.Button(TEXT["en"]["frame.stop"], variant="stop", elem_id=f"{name}-stop")
    frame.speak(run, lambda lang: {"value": TEXT[lang]["frame.run"]})
    frame.speak(stop, lambda lang: {"value": TEXT[lang]["frame.stop"]})
    return run, stop


def _controls(frame: Frame, panel: Panel) -> dict[str, Any]:
    """Place the controls of a panel and return the components by parameter name."""
    simple = {n: _component(frame, panel, n, c) for n, c in panel.fields.items() if not c.advanced}
    more = {n: c for n, c in panel.fields.items() if c.advanced}
    if more:
        label = TEXT["en"]["frame.more"]
        with gr.Accordion(label, open=False, elem_classes="ssp-more") as box:
            frame.speak(box, lambda lang: {"label": TEXT[lang]["frame.more"]})
            simple |= {n: _component(frame, panel, n, c) for n, c in more.items()}
    return {name: simple[name] for name in panel.fields}


def shown_value(control: Control, value: Any) -> Any:
    """Return a checked value in the form its component takes."""
    if isinstance(control, (Integer, Real)) and control.log:
        return control.to_text(value)
    return list(value) if isinstance(control, Choices) else value


def _component(frame: Frame, panel: Panel, name: str, control: Control) -> Any:
    """Return the component for one control, its words remembered for the switch of language."""
    elem_id = f"{panel.tab}-{panel.key}-{name}"
    label = panel.label(name)
    info = _info_word(panel, name)
    value = shown_value(control, control.default)
    if isinstance(control, (Integer, Real)) and control.log:
        return _html(
            value=value,
            html_template='<div class="ssp-log"></div>',
            js_on_load="ssp.logSlider(element, props, trigger, watch)",
            elem_id=elem_id,
            low=control.low,
            high=control.high,
            integer=isinstance(control, Integer),
            infinite=isinstance(control, Real) and control.infinite,
            labels={lang: label.text(lang) for lang in LANGUAGES},
            infos={lang: info.text(lang) if info else "" for lang in LANGUAGES},
        )

    def props(lang: Language) -> dict[str, Any]:
        spoken: dict[str, Any] = {"label": label.text(lang)}
        if info and isinstance(control, Upload):  # gr.File has no line of help
            spoken["label"] = f"{label.text(lang)} · {info.text(lang)}"
        elif info:
            spoken["info"] = info.text(lang)
        if isinstance(control, (Choice, Choices)):
            spoken["choices"] = _choices(panel, name, control, lang)
        return spoken

    common: dict[str, Any] = {"value": value, "elem_id": elem_id, **props("en")}
    component: Any
    if isinstance(control, Integer) and control.typed:
        component = gr.Number(precision=0, **common)
    elif isinstance(control, (Integer, Real)):
        component = gr.Slider(control.low, control.high, step=control.step, buttons=[], **common)
    elif isinstance(control, Choice):
        component = (gr.Radio if control.radio else gr.Dropdown)(**common)
    elif isinstance(control, Choices) and len(control.options) > MOST_BOXES:
        component = gr.Dropdown(multiselect=True, **common)
    elif isinstance(control, Choices):
        component = gr.CheckboxGroup(**common)
    elif isinstance(control, Flag):
        component = gr.Checkbox(**common)
    elif isinstance(control, Upload):
        component = gr.File(file_types=list(control.suffixes), height=118, **common)
    elif isinstance(control, Text):
        component = gr.Textbox(
            lines=control.lines,
            max_lines=max(3, control.lines),
            max_length=control.length,
            **common,
        )
    else:
        raise TypeError(f"no component for {type(control).__name__}")
    return frame.speak(component, props)


def _choices(panel: Panel, name: str, control: Choice | Choices, lang: Language) -> list[Any]:
    words = option_words(panel.tab, panel.key, control.words or name, control.options)
    return [(word.text(lang), option) for word, option in zip(words, control.options, strict=True)]


def _info_word(panel: Panel, name: str) -> Word | None:
    """Return the help text of a control, if the tab or the frame has one."""
    keys = (
        f"{panel.tab}.{panel.key}_{name}_info",
        f"{panel.tab}.{name}_info",
        f"frame.{name}_info",
    )
    return next((Word(key) for key in keys if key in TEXT["en"]), None)


def _wire(panel: Panel, inputs: dict[str, Any], stage: Any, presets: Any, buttons: Any) -> None:
    """Connect a panel's events: draw, presets, clicks in the picture, run and stop."""
    fields = list(inputs.values())
    moves = [trigger for component in fields for trigger in _triggers(component)]

    def draw(*given: Any) -> str:
        return message(payload(panel, dict(zip(inputs, given, strict=True))))

    def preset(event: gr.EventData, *given: Any) -> list[Any]:
        return _set(panel, dict(zip(inputs, given, strict=True)), _preset_values(panel, event))

    def pick(event: gr.EventData, *given: Any) -> list[Any]:
        return _set(panel, dict(zip(inputs, given, strict=True)), _picked_values(panel, event))

    runs: list[Any] = []
    if buttons:
        run, stop = buttons

        def stream(*given: Any) -> Iterator[str]:
            for view in payloads(panel, dict(zip(inputs, given, strict=True))):
                yield message(view)

        started = run.click(
            stream, fields, [stage], show_progress="minimal", api_visibility="private", **POOL
        )
        runs = [started]
        stop.click(None, None, None, cancels=runs, js=f"() => ssp.stopped('{stage.elem_id}')")
    # our own check sees everything, so Gradio's costs of looking at each value are saved
    raw: dict[str, Any] = {"preprocess": False, "postprocess": False, "trigger_mode": "always_last"}
    gr.on([stage.submit, *moves], draw, fields, [stage], **raw, **LIVE)
    if runs:  # a new setting makes a running computation void
        gr.on(moves, None, None, None, cancels=runs)
    outputs = [*fields, stage]
    presets.select(preset, fields, outputs, cancels=runs or None, **LIVE)
    stage.select(pick, fields, outputs, cancels=runs or None, **LIVE)


def _triggers(component: Any) -> list[Any]:
    if isinstance(component, gr.File):
        return [component.upload, component.clear]
    return [component.input]


def _preset_values(panel: Panel, event: gr.EventData) -> Callable[[Values], Mapping[str, Any]]:
    index = (event._data or {}).get("index")
    if isinstance(index, int) and 0 <= index < len(panel.presets):
        return panel.presets[index].apply
    return lambda current: panel.defaults


def _picked_values(panel: Panel, event: gr.EventData) -> Callable[[Values], Mapping[str, Any]]:
    data = event._data if isinstance(event._data, dict) else {}
    if isinstance(data.get("set"), dict):
        return lambda current: {**current, **data["set"]}
    if panel.pick and isinstance(data.get("point"), dict):
        chosen = panel.pick
        return lambda current: {**current, **chosen(current, data["point"])}
    return lambda current: current


def _set(panel: Panel, given: Values, change: Callable[[Values], Mapping[str, Any]]) -> list[Any]:
    """Return the components' new values and the picture they give."""
    try:
        current = panel.check(given)
    except InputError:
        current = panel.defaults
    try:
        values = panel.check(change(current))
    except InputError as error:
        return [*(gr.skip() for _ in given), message(_problem(error.word))]
    shown = [shown_value(control, values[name]) for name, control in panel.fields.items()]
    return [*shown, message(payload(panel, values))]


def payload(panel: Panel, given: Values) -> dict[str, Any]:
    """Return what the stage draws for raw control values: the first view, or what was wrong."""
    try:
        _only_uploads(panel, given)
        values = panel.check(given)
        return _page(panel, values, panel.first(values))
    except InputError as error:
        return _problem(error.word)
    except Exception:
        log.exception("panel %s.%s failed on %r", panel.tab, panel.key, given)
        return _problem(W("frame.error_bug"))


def payloads(
    panel: Panel, given: Values, deadline: float = DEADLINE
) -> Generator[dict[str, Any], None, None]:
    """Yield what the stage draws while long work goes on, until it is done or out of time.

    Intermediate views that come faster than the browser can draw are left out.
    """
    sent, until = -math.inf, time.monotonic() + deadline
    try:
        _only_uploads(panel, given)
        values = panel.check(given)
        with closing(panel.views(values)) as views:  # Stop closes us, and so the work
            for view in views:
                now = time.monotonic()
                late = now > until
                if now - sent < PAUSE and view.progress is not None and not late:
                    continue
                sent = now
                notes = [*view.notes, *([W("frame.deadline", seconds=deadline)] if late else [])]
                running = view.progress is not None and not late
                yield _page(panel, values, view, running=running, notes=notes)
                if late:
                    return
    except InputError as error:
        yield _problem(error.word)
    except Exception:
        log.exception("panel %s.%s failed on %r", panel.tab, panel.key, given)
        yield _problem(W("frame.error_bug"))


def _problem(word: Word) -> dict[str, Any]:
    return {"error": {lang: word.text(lang) for lang in LANGUAGES}}


def _page(panel: Panel, values: Values, view: View, **more: Any) -> dict[str, Any]:
    return page(
        view,
        panel.tab,
        code=panel.code(values),
        query=panel.query(values),
        long=panel.long,
        pick=panel.pick is not None,
        **more,
    )


def _publish(panel: Panel) -> None:
    """Publish a panel as the API endpoint and MCP tool ``<tab>_<panel>``."""
    name = f"{panel.tab}_{panel.key}"
    pool = POOL if panel.long else {"queue": False}
    api(api_function(panel), api_name=name, **pool)


def api_function(panel: Panel) -> Callable[..., tuple[dict[str, Any], dict[str, Any]]]:
    """Return the typed, documented function behind a panel's API endpoint."""
    parameters = [
        Parameter(
            name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=c.json(c.default),
            annotation=c.annotation,
        )
        for name, c in panel.fields.items()
    ]
    extras: list[tuple[str, Any, Any]] = [
        ("lang", "en", Literal["en", "zh"]),
        ("with_figures", True, bool),
    ]
    parameters += [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
        for name, default, kind in extras
    ]
    result = tuple[dict[str, Any], dict[str, Any]]
    signature = Signature(parameters, return_annotation=result)

    def call(*args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        given = {name: p.default for name, p in signature.parameters.items()}
        given |= dict(zip(given, args, strict=False)) | kwargs
        lang = language(str(given.pop("lang")))
        pictures = given.pop("with_figures") is not False
        try:
            _only_uploads(panel, given)
            values = panel.check(given)
            view = _last(panel, values)
        except InputError as error:
            raise gr.Error(error.word.text(lang), print_exception=False) from None
        except Exception:
            log.exception("API %s_%s failed on %r", panel.tab, panel.key, given)
            message = W("frame.error_bug").text(lang)
            raise gr.Error(message, print_exception=False) from None
        links = {"code": panel.code(values), "link": f"?{panel.query(values)}&lang={lang}"}
        return (view.figures_json(lang) if pictures else {}), {**view.report(lang), **links}

    call.__name__ = call.__qualname__ = f"{panel.tab}_{panel.key}"
    call.__doc__ = _api_doc(panel)
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": result}
    return call


def _last(panel: Panel, values: Values, deadline: float = DEADLINE) -> View:
    """Return the last view of a panel, or the one reached at the deadline."""
    until = time.monotonic() + deadline
    views = panel.views(values)
    last = next(views)
    for view in views:
        last = view
        if time.monotonic() > until:
            break
    return last


def _only_uploads(panel: Panel, given: Values) -> None:
    """Refuse a path outside the upload folder: nobody reads the server's own files.

    Raises:
        InputError: The file was not uploaded to this server.
    """
    for name, control in panel.fields.items():
        if not isinstance(control, Upload):
            continue
        value = given.get(name)
        path = value.get("path") if isinstance(value, dict) else value
        if not isinstance(path, str) or not path:
            continue
        folder = Path(get_upload_folder()).resolve()
        if "\0" in path or not Path(path).resolve().is_relative_to(folder):
            raise InputError(W("frame.error_file_gone", field=panel.label(name)))


def _api_doc(panel: Panel) -> str:
    """Return the endpoint's documentation: what it shows, its parameters, what it returns."""
    lines = [
        f"        {name}: {panel.label(name).text()}. {control.domain().text()}"
        for name, control in panel.fields.items()
    ]
    return "\n".join(
        [
            f"{panel.word('title')}. {panel.word('lead')}",
            "",
            "    Args:",
            *lines,
            "        lang: Language of the texts, en or zh.",
            "        with_figures: Whether to send the pictures; false saves an agent many tokens.",
            "",
            "    Returns:",
            "        Figures by name as plotly JSON; caption, readings, table, notes, code, link.",
        ]
    )
