"""The running app over HTTP: page, files, links, API, clients, MCP, and no network."""

import gzip
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import httpx
import pytest

from demos import DEMOS
from demos.site import BUNDLE, FASTER
from demos.words import TEXT

ROOT = Path(__file__).resolve().parent.parent
PANELS = [panel for demo in DEMOS for panel in demo.panels]
FIRST = PANELS[0]


def config_of(html):
    text = html.split("<script>window.gradio_config = ", 1)[1]
    return json.JSONDecoder().raw_decode(text)[0]


def props_by_id(html):
    components = config_of(html)["components"]
    return {c["props"]["elem_id"]: c["props"] for c in components if c["props"].get("elem_id")}


@pytest.mark.parametrize(
    ("query", "accept", "lang"),
    [
        ("", "zh-CN,zh;q=0.9", "zh"),
        ("", "zh-HK", "zh"),
        ("", "zh-TW", "zh"),
        ("", "zh", "zh"),
        ("", "fr-FR,fr;q=0.9", "en"),
        ("?lang=en", "zh-CN", "en"),
        ("?lang=zh", "en-US", "zh"),
    ],
)
def test_the_page_comes_in_the_visitors_language(server, query, accept, lang):
    html = httpx.get(f"{server}/{query}", headers={"accept-language": accept}).text
    assert f'lang="{"zh-CN" if lang == "zh" else "en"}"' in html[:200]
    labels = {c["props"].get("label") for c in config_of(html)["components"]}
    assert {TEXT[lang][f"{demo.key}.title"] for demo in DEMOS} <= labels


def test_a_link_sets_tab_panel_and_controls(server):
    panel = PANELS[-1]
    preset = panel.presets[0]
    values = panel.check(preset.apply(panel.defaults))
    html = httpx.get(f"{server}/?{panel.query(values)}&lang=zh").text
    config = config_of(html)
    selected = {c["props"].get("selected") for c in config["components"] if c["type"] == "tabs"}
    assert {panel.tab, panel.key} <= selected
    by_id = props_by_id(html)
    for name, value in values.items():
        shown = by_id[f"{panel.tab}-{panel.key}-{name}"]["value"]
        control = panel.fields[name]
        assert control.check(panel.label(name), shown) == value or shown is None


def test_a_bad_link_falls_back_and_the_stage_says_so(server):
    name = next(iter(FIRST.fields))
    address = f"{server}/?tab={FIRST.tab}&panel={FIRST.key}&{name}=%E2%98%83&lang=zh"
    stage = props_by_id(httpx.get(address).text)[f"{FIRST.tab}-{FIRST.key}-stage"]
    notice = json.loads(stage["value"])["notice"]
    assert "☃" in notice["zh"][0] and "☃" in notice["en"][0]


@pytest.mark.parametrize("query", ["tab=nowhere", f"tab={FIRST.tab}&panel=nowhere", "tab=%00"])
def test_an_unknown_place_opens_the_nearest_one(server, query):
    html = httpx.get(f"{server}/?{query}").text
    stages = [p for i, p in props_by_id(html).items() if i.endswith("-stage") and p.get("value")]
    assert len(stages) == 1 and "notice" in stages[0]["value"]


def test_hostile_links_do_not_leave_their_string(server):
    html = httpx.get(
        f"{server}/", params={"tab": FIRST.tab, "</script><script>alert(1)": "</script>"}
    ).text
    assert "<script>alert(1)" not in html


@pytest.mark.parametrize("coding", ["br", "gzip", "identity"])
def test_page_and_files_are_compressed(server, coding):
    with httpx.Client(headers={"accept-encoding": coding}) as client:
        script = re.search(r'src="(playground/frame\.js\?v=\w+)"', client.get(f"{server}/").text)
        assert script
        for address in ("", script[1], "gradio_api/app_id"):
            response = client.get(f"{server}/{address}")
            assert response.status_code == 200
        with client.stream("GET", f"{server}/{script[1]}") as response:
            raw = b"".join(response.iter_raw())
            assert "immutable" in response.headers["cache-control"]
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, "identity": bytes}[coding]
    assert unpack(raw) == (ROOT / "assets" / "frame.js").read_bytes()


def test_the_page_holds_nothing_that_only_programs_call(server):
    page = config_of(httpx.get(f"{server}/").text)
    whole = httpx.get(f"{server}/config").json()
    ids = {c["id"] for c in page["components"]}
    away = {c["id"] for c in whole["components"]} - ids
    assert away == {c["id"] for c in whole["components"] if c["type"] == "api"} and away

    def walk(node):
        yield node["id"]
        for child in node.get("children", []):
            yield from walk(child)

    assert set(walk(page["layout"])) - {page["layout"]["id"]} == ids
    kept = [d["id"] for d in page["dependencies"]]
    assert all({*d["inputs"], *d["outputs"]} <= ids for d in page["dependencies"])
    assert page["page"][""]["components"] == [c["id"] for c in page["components"]]
    assert page["page"][""]["dependencies"] == kept
    assert len(whole["dependencies"]) - len(kept) == len(PANELS)


@pytest.mark.parametrize("slow", FASTER)
def test_the_bundle_is_served_with_its_faster_half(server, slow):
    """When this fails after an upgrade of Gradio, look whether the function is still slow."""
    (file,) = [file for file in BUNDLE.glob("*.js") if slow.encode() in file.read_bytes()]
    assert file.read_text(encoding="utf-8").count(slow) == 1
    served = httpx.get(f"{server}/assets/{file.name}").text
    assert slow not in served and FASTER[slow] in served


def test_only_our_files_are_served(server):
    for path in ("playground/../app.py", "playground/README.md", "playground/source/../app.py"):
        assert httpx.get(f"{server}/{path}").status_code == 404
    for demo in DEMOS:
        for module in demo.methods:
            name = f"{module.__name__.rpartition('.')[2]}.py"
            source = httpx.get(f"{server}/playground/source/{name}")
            assert source.status_code == 200 and '"""' in source.text


def run(server, name, *data):
    address = f"{server}/gradio_api/run/{name}"
    return httpx.post(address, json={"data": list(data)}, timeout=60).json()


@pytest.mark.parametrize(
    "panel", [p for p in PANELS if not p.long], ids=lambda p: f"{p.tab}_{p.key}"
)
def test_every_live_panel_answers_the_raw_api(server, panel):
    values = [c.json(c.default) for c in panel.fields.values()]
    answer = run(server, f"{panel.tab}_{panel.key}", *values, "zh", True)
    figures, result = answer["data"]
    assert figures and result["caption"]


def test_the_raw_api_refuses_clearly(server):
    values = dict(FIRST.defaults)
    name = next(iter(values))
    answer = run(server, f"{FIRST.tab}_{FIRST.key}", *{**values, name: "☃"}.values(), "en", False)
    assert "☃" in answer["error"] and "Traceback" not in answer["error"]


def test_every_panel_is_documented(server):
    named = httpx.get(f"{server}/gradio_api/info").json()["named_endpoints"]
    assert set(named) == {f"/{panel.tab}_{panel.key}" for panel in PANELS}
    for panel in PANELS:
        endpoint = named[f"/{panel.tab}_{panel.key}"]
        names = [p["parameter_name"] for p in endpoint["parameters"]]
        assert names == [*panel.fields, "lang", "with_figures"]
        assert endpoint["description"]


def test_gradio_client_calls_a_panel(server):
    from gradio_client import Client

    client = Client(server, verbose=False, analytics_enabled=False)
    long = next((p for p in PANELS if p.long), FIRST)
    small = {"n_trials": 2} if "n_trials" in long.fields else {}
    for panel, values in ((FIRST, {}), (long, small)):
        figures, result = client.predict(**values, api_name=f"/{panel.tab}_{panel.key}")
        assert figures and result["readings"]


def test_every_panel_is_an_mcp_tool(server):
    tools = httpx.get(f"{server}/gradio_api/mcp/schema").json()
    by_name = {tool["name"]: tool for tool in tools}
    assert set(by_name) == {f"{panel.tab}_{panel.key}" for panel in PANELS}
    for panel in PANELS:
        properties = by_name[f"{panel.tab}_{panel.key}"]["inputSchema"]["properties"]
        for name in panel.fields:
            assert properties[name]["description"], name


def test_an_agent_calls_a_tool(server):
    import anyio
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def call():
        async with (
            streamable_http_client(f"{server}/gradio_api/mcp/") as (read, write, *_),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            name = f"{FIRST.tab}_{FIRST.key}"
            return await session.call_tool(name, {"with_figures": False})

    with ThreadPoolExecutor(1) as pool:  # a browser test may hold this thread's event loop
        result = pool.submit(anyio.run, call).result()
    assert not result.isError and "readings" in result.content[-1].text


OFFLINE = """
import socket, sys, threading
reached = []
def refuse(name, args):
    if name == "socket.getaddrinfo" or name == "socket.connect":
        host = args[0] if name == "socket.getaddrinfo" else args[1][0]
        if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", b"127.0.0.1"):
            reached.append(host)
            raise OSError(f"no network: {host}")
sys.addaudithook(refuse)
from app import frame
from demos.frame import launch
_, url, _ = launch(frame, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
import httpx
assert httpx.get(url).status_code == 200
for demo in frame.demos:
    for panel in demo.panels:
        panel.first(panel.check({}))
frame.blocks.close(verbose=False)
print("REACHED", reached)
"""


def test_the_app_starts_and_draws_without_a_network():
    ran = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "REACHED []"


def test_nothing_of_the_work_is_left_in_the_pages_state(server):
    """Live panels keep no state on the server, so any replica can answer."""
    dependencies = config_of(httpx.get(f"{server}/").text)["dependencies"]
    types = {c["id"]: c["type"] for c in config_of(httpx.get(f"{server}/").text)["components"]}
    assert "state" not in types.values()
    live = [d for d in dependencies if not d["queue"]]
    assert len(live) >= 3 * len([p for p in PANELS if not p.long])
