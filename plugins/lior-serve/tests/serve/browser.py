"""A real browser, and what a person does with it."""

from __future__ import annotations

import shutil
import time

import pytest

_ALONE = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
"""No traffic but to this machine; the name of a hostile site leads to it, too."""


@pytest.fixture(scope="package")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("there is no Chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *_ALONE):
        options.add_argument(argument)
    options.add_argument("--window-size=1200,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


class Browser:
    """What a person does."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, path="/"):
        self.driver.get("about:blank")
        self.driver.get(self.url + path)
        self.until("return document.documentElement.classList.contains('scripted')")

    def __call__(self, script, *given):
        return self.driver.execute_script(script, *given)

    def until(self, script, *given, seconds=60.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self(script, *given):
                return found
            time.sleep(0.03)
        raise AssertionError(f"never true: {script}")

    def text(self, selector):
        return self("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def shows(self, selector, text):
        self.until(
            "return (document.querySelector(arguments[0])?.textContent ?? '').includes(arguments[1])",
            selector,
            text,
        )

    def size(self, width, height, scheme="light"):
        """The screen, and whether the system is light or dark."""
        given = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def drop(self, name, text):
        script = """const data = new DataTransfer();
            data.items.add(new File([arguments[1]], arguments[0]));
            for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(
              new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));"""
        self(script, name, text)

    def faults(self):
        return [each for each in self.driver.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]

    def ask(self, question):
        """Write a question into the box, send it, and wait for the answer."""
        count = self("return document.querySelectorAll('.turn').length")
        box = self.driver.find_element("id", "question")
        box.clear()
        box.send_keys(question + "\n")
        done = "return document.querySelectorAll('.turn:not([aria-busy])').length > arguments[0]"
        self.until(done, count)
