"""The picture of the page in the README: a question to the example notes, and its answer.

python -m tools.picture [QUESTION]    # needs lior-serve, selenium and Chromium
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "page.png"
QUESTION = "When does the library card run out?"
SIZE = (1000, 620)
"""Width and height of the window in CSS pixels."""
_PATIENCE = 60.0
"""Maximum number of seconds to wait for an answer."""


def main(question: str = QUESTION) -> None:
    """Serve the example notes, ask, and save the picture of the window."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "lior_cli.main", "serve", "examples/notes", "--port", "0"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": cache, "XDG_CACHE_HOME": cache}
        given = {"cwd": ROOT, "env": environment, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **given) as server:
            try:
                assert server.stderr
                address = re.search(r"http://\S+", server.stderr.readline())
                if not address:
                    raise SystemExit("the server did not start")
                _photograph(address[0].rstrip("/"), question)
            finally:
                server.terminate()
    print(f"wrote {PICTURE}: {PICTURE.stat().st_size:,} bytes")


def _photograph(address: str, question: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    width, height = SIZE
    flags = ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars")
    for argument in (*flags, f"window-size={width},{height}"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(address)
        box = driver.find_element(By.ID, "question")
        box.send_keys(question + "\n")
        end = time.monotonic() + _PATIENCE
        while not driver.find_elements(By.CSS_SELECTOR, ".turn:not([aria-busy]) .quote"):
            if time.monotonic() > end:
                raise SystemExit(f"no answer after {_PATIENCE:.0f} s")
            time.sleep(0.1)
        time.sleep(1)  # the source beside the answer
        driver.save_screenshot(str(PICTURE))
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
