"""Shared fixtures: a seeded generator, the running app, a browser. No test reaches the network."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"


class NetworkUsed(Exception):
    """Something reached for an address that is not this machine's."""


def _refuse_foreign_sockets() -> None:
    connect = socket.socket.connect
    lookup = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_loopback(address[0])
        return connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_loopback(host)
        return lookup(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = guarded_lookup


def _refuse_unless_loopback(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise NetworkUsed(name)


_refuse_foreign_sockets()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20210917)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of the whole app, running in this process on a free port."""
    from app import frame
    from demos.frame import launch

    _, url, _ = launch(frame, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield url.rstrip("/")
    frame.blocks.close(verbose=False)


CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: the system's, or else the one Playwright installed."""
    from shutil import which

    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()
