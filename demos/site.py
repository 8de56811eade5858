"""The served page: in the visitor's language and state from the first byte, compressed once.

An ASGI middleware in front of Gradio that
- answers ``GET /`` with Gradio's own page whose configuration already holds the visitor's language
  (``?lang=`` wins over the browser's), the open tab and panel, and the control values of the link:
  no second round trip, no flash of the wrong language, and no state on the server;
- serves the files of ``assets/`` that the page needs under ``/playground/`` and the source of the
  method modules, with a hash in the address, so that browsers keep them;
- compresses Gradio's bundle once instead of once per visitor, and replaces two functions in
  it that search through all components or events for each of them (`FASTER`).
"""

import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import brotli
import gradio
import orjson
from anyio.to_thread import run_sync

from demos.figures import COLORS, TEMPLATE
from demos.words import LANGUAGES, TEXT, Language, escape, language

if TYPE_CHECKING:
    from demos.frame import Frame

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
FILES = {
    "frame.js": "text/javascript; charset=utf-8",
    "frame.css": "text/css; charset=utf-8",
    "plotly-cartesian.min.js": "text/javascript; charset=utf-8",
    "gifenc.js": "text/javascript; charset=utf-8",
    "playground-sans-sc.woff2": "font/woff2",
}
FOREVER = b"public, max-age=31536000, immutable"
MARK = "<script>window.gradio_config = "
# Functions of Gradio's bundle that take a second of a page like ours, and the same without the
# search; where the bundle does not hold the first, it is served as it is.
FASTER = {
    # which events of a component somebody listens to: looked up, not sought in all targets
    (
        "find_attached_events(e,t){let n=t.filter(t=>t.targets.find(([t])=>t===e.id))"
        ".map(t=>{let n=t.targets.find(([t])=>t===e.id);return n?n[1]:null}).filter(Boolean);"
        "return e.props.shared_props.attached_events=n,e}"
    ): (
        "find_attached_events(e,t){if(this.looked_at!==t||this.looked_up!==t.length){"
        "let n=new Map;for(let{targets:e}of t){let t=new Set;for(let[r,i]of e)"
        "t.has(r)||(t.add(r),n.has(r)||n.set(r,[]),n.get(r).push(i))}"
        "this.looked_at=t,this.looked_up=t.length,this.heard=n}"
        "return e.props.shared_props.attached_events=(this.heard.get(e.id)||[]).filter(Boolean),e}"
    ),
    # nothing to set: no need to find the component first
    "async set_event_args(e,t){let n={},r=await": (
        "async set_event_args(e,t){if(Object.keys(t).length===0)return()=>{};let n={},r=await"
    ),
}


@cache
def version(name: str) -> str:
    """Return the address of a file of ours, with a hash of its content."""
    digest = hashlib.sha256((ROOT / "assets" / name).read_bytes()).hexdigest()[:12]
    return f"playground/{name}?v={digest}"


class Site:
    """The middleware.

    Args:
        app: Gradio's application.
        frame: The page it serves.
    """

    def __init__(self, app: App, frame: "Frame") -> None:
        self.app = app
        self.frame = frame
        self.sources = {
            f"{module.__name__.rpartition('.')[2]}.py": Path(module.__file__ or "")
            for demo in frame.demos
            for module in demo.methods
        }
        self._pages: dict[tuple[bytes, ...], _Page] = {}
        self._packed: dict[tuple[Path, str], bytes] = {}
        self._lock = Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is ours; pass the rest on."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        if path in ("", "/"):
            return await self._page(scope, receive, send)
        file, kind = self._file(path)
        if file is None:
            return await self.app(scope, receive, send)
        return await self._send_file(scope, send, file, kind)

    def _file(self, path: str) -> tuple[Path | None, str]:
        """Return the file behind an address and its media type, or ``None`` when it is not ours."""
        folder, _, name = path.rpartition("/")
        if folder == "/playground" and name in FILES:
            return ROOT / "assets" / name, FILES[name]
        if folder == "/playground/source" and name in self.sources:
            return self.sources[name], "text/plain; charset=utf-8"
        if folder == "/assets" and name.endswith((".js", ".css")) and (BUNDLE / name).is_file():
            return BUNDLE / name, "text/css" if name.endswith(".css") else "text/javascript"
        return None, ""

    async def _send_file(self, scope: Scope, send: Send, file: Path, kind: str) -> None:
        coding = "" if kind.startswith("font/") else _coding(scope)
        body = self._packed.get((file, coding))
        if body is None:
            body = await run_sync(self._pack, file, coding)
        keep = FOREVER if "/source/" not in scope["path"] else b"no-cache"
        await _respond(scope, send, body, kind, coding, keep)

    def _pack(self, file: Path, coding: str) -> bytes:
        """Return a file compressed; twenty first visitors compress it once."""
        with self._lock:
            if (file, coding) not in self._packed:
                body = file.read_bytes()
                if file.parent == BUNDLE and file.suffix == ".js":
                    for slow, fast in FASTER.items():
                        body = body.replace(slow.encode(), fast.encode())
                self._packed[file, coding] = _compress(body, coding, 6)
            return self._packed[file, coding]

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        given = scope.get("query_string", b"").decode("latin-1")
        query = dict(parse_qsl(given, keep_blank_values=True))  # an empty text is a value
        page = await self._shell(scope, receive, headers)
        if page is None or "deep_link" in query:
            return await self.app(scope, receive, send)
        lang = language(query.get("lang") or headers.get(b"accept-language", b"").decode("latin-1"))
        coding = _coding(scope)
        changes = self.frame.address(query)
        body = page.render(lang, changes, coding)
        await _respond(scope, send, body, "text/html; charset=utf-8", coding, b"no-cache")

    async def _shell(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes]
    ) -> "_Page | None":
        """Return Gradio's page for this host, asked for once, taken apart."""
        names = (b"host", b"x-forwarded-host", b"x-forwarded-proto")
        key = (*(headers.get(name, b"") for name in names), scope.get("root_path", "").encode())
        if key not in self._pages:
            html = await _capture(
                self.app, {**scope, "query_string": b"", "method": "GET"}, receive
            )
            if html is None or MARK not in html:
                return None
            if len(self._pages) >= 16:  # hosts are the client's word: bounded
                self._pages.clear()
            self._pages[key] = _Page(html, self.frame)
        return self._pages[key]


class _Page:
    """Gradio's page taken apart: what stands before its configuration, that, and the rest."""

    def __init__(self, html: str, frame: "Frame") -> None:
        self.head, _, rest = html.partition(MARK)
        config, end = json.JSONDecoder().raw_decode(rest)
        self.config = _for_the_page(config)
        self.tail = rest[end:]
        self.frame = frame
        self._ready: dict[tuple[Language, str], bytes] = {}

    def render(self, lang: Language, changes: dict[int, dict[str, Any]], coding: str) -> bytes:
        """Return the page in a language with a link's values set, encoded."""
        if changes:
            return _compress(self._html(lang, changes).encode(), coding, 3)
        if (lang, coding) not in self._ready:
            self._ready[lang, coding] = _compress(self._html(lang, {}).encode(), coding, 8)
        return self._ready[lang, coding]

    def _html(self, lang: Language, changes: dict[int, dict[str, Any]]) -> str:
        spoken = self.frame.spoken_props(lang)
        components = [
            {**c, "props": {**c["props"], **spoken.get(c["id"], {}), **changes.get(c["id"], {})}}
            for c in self.config["components"]
        ]
        title = TEXT[lang]["frame.title"]
        config = {**self.config, "components": components, "title": title}
        tag = {"zh": "zh-CN", "en": "en"}[lang]
        head = self.head.replace('lang="en"', f'lang="{tag}"', 1)
        return f"{head}{self._additions(lang)}{MARK}{_json(config)}{self.tail}"

    def _additions(self, lang: Language) -> str:
        """Return what we add to the page's head: our words, styles and scripts."""
        config = {
            "words": {code: _interface_words(code) for code in LANGUAGES},
            "colors": COLORS,
            "template": TEMPLATE,
            "plotly": version("plotly-cartesian.min.js"),
            "gif": version("gifenc.js"),
            "sources": {
                demo.key: [f"{module.__name__.rpartition('.')[2]}.py" for module in demo.methods]
                for demo in self.frame.demos
            },
        }
        font = (
            "@font-face{font-family:'Playground Sans SC';font-display:swap;"
            f"src:url('{version('playground-sans-sc.woff2')}') format('woff2')}}"
        )
        about = escape(TEXT[lang]["frame.ui_tagline"])
        return (
            f"<title>{escape(TEXT[lang]['frame.title'])}</title>"
            f'<meta name="description" content="{about}"/>'
            f"<style>{font}</style>"
            f'<link rel="stylesheet" href="{version("frame.css")}"/>'
            f"<script>window.playground = {_json(config)};</script>"
            f'<script src="{version("frame.js")}"></script>'
        )


def _for_the_page(config: dict[str, Any]) -> dict[str, Any]:
    """Return Gradio's configuration without the endpoints that programs call.

    A browser would make a component for every parameter of every endpoint, a third of all.
    ``/config``, the API and MCP are not touched.
    """
    away = {c["id"] for c in config["components"] if c["type"] == "api"}

    def kept(ids: list[int]) -> list[int]:
        return [number for number in ids if number not in away]

    def pruned(node: dict[str, Any]) -> dict[str, Any]:
        children = [pruned(c) for c in node.get("children") or [] if c["id"] not in away]
        return {**node, "children": children} if "children" in node else node

    dependencies = [d for d in config["dependencies"] if not away & {*d["inputs"], *d["outputs"]}]
    numbers = {d["id"] for d in dependencies}
    pages = {
        name: {
            **page,
            "components": kept(page["components"]),
            "dependencies": [n for n in page["dependencies"] if n in numbers],
            "layout": pruned(page["layout"]),
        }
        for name, page in config["page"].items()
    }
    return {
        **config,
        "components": [c for c in config["components"] if c["id"] not in away],
        "dependencies": dependencies,
        "layout": pruned(config["layout"]),
        "page": pages,
    }


def _interface_words(lang: Language) -> dict[str, str]:
    """Return the words that the browser's half of the frame shows."""
    prefix = "frame.ui_"
    return {k.removeprefix(prefix): w for k, w in TEXT[lang].items() if k.startswith(prefix)}


def _json(value: Any) -> str:
    """Return JSON that is safe inside a script element."""
    text = orjson.dumps(value).decode()
    for char in "<>&'":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _coding(scope: Scope) -> str:
    """Return the best content coding the client takes: br, gzip or none."""
    accepted = dict(scope["headers"]).get(b"accept-encoding", b"").decode("latin-1")
    return next((coding for coding in ("br", "gzip") if coding in accepted), "")


def _compress(body: bytes, coding: str, quality: int) -> bytes:
    if coding == "br":
        packed: bytes = brotli.compress(body, quality=quality)
        return packed
    return gzip.compress(body, compresslevel=min(quality, 6)) if coding == "gzip" else body


async def _respond(
    scope: Scope, send: Send, body: bytes, kind: str, coding: str, keep: bytes
) -> None:
    headers: Headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", keep),
        (b"vary", b"accept-encoding, accept-language"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if coding:
        headers.append((b"content-encoding", coding.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _capture(app: App, scope: Scope, receive: Receive) -> str | None:
    """Return the body of an inner answer, or ``None`` unless it is a page with status 200."""
    scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"accept-encoding"]}
    status, parts = 0, []

    async def collect(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, collect)
    return b"".join(parts).decode() if status == 200 else None
