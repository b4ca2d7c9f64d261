"""A headless Chromium that notes everything a page does: dialogs, requests, console messages."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

__all__ = ["Page", "chromium"]

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,1000",
)


class Page:
    """One opened page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.requests: list[str] = []

    def open(self, path: Path) -> None:
        self.noted()
        self.requests = []
        self.driver.get(path.as_uri())
        self.settle()

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def settle(self, limit_s: float = 40.0) -> None:
        """Waits until all figures are drawn."""
        end = time.monotonic() + limit_s
        while self.run("return document.documentElement.dataset.drawn") != "yes":
            if time.monotonic() > end:
                raise TimeoutException("the figures were not drawn")
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def noted(self) -> list[str]:
        """What the console said since the last call."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                # Plotly draws large heat maps into an image of its own; nothing leaves the page for it.
                # chrome:// are the browser's own pages, which it loads when it starts, sometimes late.
                self.requests += [] if url.startswith(("data:", "blob:", "chrome://")) else [url]
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A fresh browser; the test is skipped where Chromium or its driver is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver_path = shutil.which("chromedriver")
    if browser is None or driver_path is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.unhandled_prompt_behavior = "ignore"
    driver = Chrome(options=options, service=Service(driver_path))
    try:
        driver.set_page_load_timeout(60)
        yield Page(driver)
    finally:
        driver.quit()
