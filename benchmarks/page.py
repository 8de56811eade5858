"""The page in a browser: bytes and time to the first picture, and a class that opens it at once."""

import asyncio
import time
from shutil import which
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common import Row, Server, serve

PLOT = ("-m", "benchmarks.peers.plot")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def open_page(browser: Any, server: Server) -> tuple[float, float, list[str]]:
    """Return KiB received, seconds until the first picture, and the paths asked for."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    paths: list[str] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.on(
        "request",
        lambda request: paths.append(
            urlsplit(request.url)._replace(scheme="", netloc="").geturl()
            if request.method == "GET"
            else ""
        ),
    )
    begin = time.perf_counter()
    page.goto(server.url)
    page.wait_for_selector(".js-plotly-plot .heatmaplayer image, .js-plotly-plot .trace")
    took = time.perf_counter() - begin
    page.wait_for_timeout(1500)
    context.close()
    return sum(sizes) / 1024, took, [path for path in paths if path and "queue" not in path]


async def class_opens(server: Server, paths: list[str], visitors: int) -> float:
    """Return the seconds until all visitors have all files, opened at the same moment.

    Like browsers, each visitor asks over six connections; the client is bare sockets, so that
    what is measured is the server.
    """
    host, port = urlsplit(server.url).netloc.split(":")

    async def visit() -> None:
        await fetch(host, int(port), ["/"])
        await asyncio.gather(*(fetch(host, int(port), paths[start::6]) for start in range(6)))

    begin = time.perf_counter()
    await asyncio.gather(*(visit() for _ in range(visitors)))
    return time.perf_counter() - begin


async def fetch(host: str, port: int, paths: list[str]) -> None:
    """Get paths one after the other over one connection.

    Raises:
        RuntimeError: An answer is not 200.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=2**24)
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept-Encoding: gzip, br\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if " 200 " not in head.split("\r\n", 1)[0]:
            raise RuntimeError(f"{path}: {head.splitlines()[0]}")
        if "transfer-encoding: chunked" in head:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:
            length = next(line for line in head.split("\r\n") if line.startswith("content-length"))
            await reader.readexactly(int(length.split(":")[1]))
    writer.close()


def rows(repeats: int = 3) -> list[Row]:
    """Measure bytes, time to the first picture, and twenty visitors at once."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(which, ("chromium", "chromium-browser"))), None)
    with serve("app.py") as ours, serve(*PLOT) as peer:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            pairs = [(open_page(browser, ours), open_page(browser, peer)) for _ in range(repeats)]
            browser.close()
    (our_size, our_time, our_paths), (peer_size, peer_time, peer_paths) = sorted(
        pairs, key=lambda pair: pair[0][1] / pair[1][1]
    )[repeats // 2]
    crowds = []
    for _ in range(repeats):  # fresh servers: nobody has opened the page before
        with serve("app.py") as ours:
            mine = asyncio.run(class_opens(ours, our_paths, 20))
        with serve(*PLOT) as peer:
            theirs = asyncio.run(class_opens(peer, peer_paths, 20))
        crowds.append((mine, theirs))
    mine, theirs = sorted(crowds, key=lambda pair: pair[0] / pair[1])[repeats // 2]
    return [
        Row("page, bytes received", our_size, peer_size, "KiB", 1.5),
        Row("page, time to the first picture", our_time, peer_time, "s", 1.5),
        Row("20 visitors open the page at once", mine, theirs, "s", 0.3),
    ]
