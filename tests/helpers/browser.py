"""A headless Chromium for tests of pages; tests skip where there is none."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager

import pytest


def chromium() -> tuple[str, str]:
    """Browser and driver, or the reason to skip."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    driver = shutil.which("chromedriver")
    if not found or not driver:
        pytest.skip("needs chromium and chromedriver")
    return found, driver


@contextmanager
def browser(folder, width: int, height: int = 900):
    """A Chromium of that window size with its profile in `folder`; it logs what it requests."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder}",
        "--lang=en-US",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=Service(driver))
    try:
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        yield page
    finally:
        page.quit()


def until(condition, seconds: float = 300):
    """The first true value that `condition` returns; the long timeout is for a busy machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"still not true after {seconds} s")


def all_of(driver, css: str) -> list:
    """The elements that a selector matches now."""
    from selenium.webdriver.common.by import By

    return driver.find_elements(By.CSS_SELECTOR, css)


def one(driver, css: str):
    """The first element that a selector matches, as soon as there is one."""
    return until(lambda: all_of(driver, css))[0]
