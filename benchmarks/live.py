"""Live panels against a trivial unqueued event on the same server: CPU per event, and a class."""

import asyncio
import math
import time
from typing import Any

import httpx

from benchmarks.common import Row, Server, serve


def run_server() -> None:
    """Serve our page with one trivial event more."""
    from app import frame  # first: it sets what must be set before NumPy is imported

    import gradio as gr  # isort: skip

    from demos.frame import LIVE, launch

    with frame.blocks:
        box = gr.Textbox()
        box.submit(lambda text: text, box, box, **LIVE)
    launch(frame)


def events(server: Server) -> dict[str, dict[str, Any]]:
    """Return the body of each live panel's draw event, and of the trivial one, by name."""
    from demos import DEMOS
    from demos.frame import shown_value

    config = httpx.get(f"{server.url}/config").json()
    ids = {c["id"]: c["props"].get("elem_id", "") for c in config["components"]}
    bodies: dict[str, dict[str, Any]] = {}
    for demo in DEMOS:
        for panel in demo.panels:
            stage = f"{demo.key}-{panel.key}-stage"
            for dependency in config["dependencies"]:
                outputs = [ids.get(i) for i in dependency["outputs"]]
                if outputs == [stage] and not dependency["queue"]:
                    data = [shown_value(c, c.default) for c in panel.fields.values()]
                    kind = "first picture of" if panel.long else "live panel"
                    bodies[f"{kind} {demo.key} {panel.key}"] = body(dependency["id"], data)
    last = max(d["id"] for d in config["dependencies"])
    return {**bodies, "trivial": body(last, ["hello"])}


def body(index: int, data: list[Any]) -> dict[str, Any]:
    """Return the JSON a browser posts for an unqueued event."""
    return {"fn_index": index, "data": data, "session_hash": "benchmark"}


def cpu_per_event(server: Server, event: dict[str, Any], count: int) -> float:
    """Return the server's CPU milliseconds per event, one client at a time."""
    with httpx.Client(timeout=60) as client:
        before = server.cpu()
        for _ in range(count):
            client.post(f"{server.url}/gradio_api/run/predict", json=event).raise_for_status()
        return (server.cpu() - before) / count * 1000


async def crowd(server: Server, event: dict[str, Any], visitors: int, count: int) -> float:
    """Return the events per second of many visitors at once.

    Raises:
        httpx.HTTPStatusError: An event failed.
    """
    limits = httpx.Limits(max_connections=visitors)

    async with httpx.AsyncClient(timeout=120, limits=limits) as client:

        async def visit() -> None:
            for _ in range(count):
                answer = await client.post(f"{server.url}/gradio_api/run/predict", json=event)
                answer.raise_for_status()

        begin = time.perf_counter()
        await asyncio.gather(*(visit() for _ in range(visitors)))
        return visitors * count / (time.perf_counter() - begin)


def rows(count: int = 200) -> list[Row]:
    """Measure every live panel, then a class of 100 on the dearest and on a typical one."""
    with serve("-m", "benchmarks.live") as server:
        return _rows(server, count)


def _rows(server: Server, count: int) -> list[Row]:
    bodies = events(server)
    trivial = bodies.pop("trivial")
    for event in (trivial, *bodies.values()):
        cpu_per_event(server, event, 10)
    result, cost = [], {}
    for name, event in bodies.items():
        turns = [
            (cpu_per_event(server, trivial, count), cpu_per_event(server, event, count))
            for _ in range(3)
        ]
        base, cost[name] = sorted(turns, key=lambda turn: turn[1] / turn[0])[1]
        budget = 3.0 if name.startswith("live") else math.inf  # long work is not live
        result.append(Row(f"{name}, server CPU", cost[name], base, "ms", budget))
    ordered = sorted((n for n in cost if n.startswith("live")), key=lambda name: cost[name])
    for kind, name in (("median", ordered[len(ordered) // 2]), ("dearest", ordered[-1])):
        peer = asyncio.run(crowd(server, trivial, 100, 10))
        ours = asyncio.run(crowd(server, bodies[name], 100, 10))
        label = f"100 visitors x 10 events, {kind} panel ({name})"
        result.append(Row(label, ours, peer, "events/s", 1 / 3, worse="less"))
    return result


if __name__ == "__main__":
    run_server()
