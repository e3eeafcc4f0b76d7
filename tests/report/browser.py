"""A headless Chromium for tests, driven over its debugging pipe: opens a page of the disk, evaluates in it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """One open page."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers, self.numbers = commands, answers, itertools.count(1)
        self.rest, self.session = b"", None

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                read = os.read(self.answers, 1 << 16)
                assert read, "the browser ended"
                self.rest += read
            answer, _, self.rest = self.rest.partition(b"\0")
            found = json.loads(answer)
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@contextlib.contextmanager
def opened(page: Path, profile: Path, *, width: int = 1200) -> Iterator[Page]:
    """The page in a browser of that inner width; the browser ends with the block."""
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        ["/bin/bash", "-c", shell, CHROMIUM, *words],
        pass_fds=(to_browser, from_browser),
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        found = Page(commands, answers)
        target = found.ask("Target.createTarget", url="about:blank")["targetId"]
        found.session = found.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        found.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        found.ask("Page.enable")
        found.ask("Page.navigate", url=page.as_uri())
        found.evaluate(
            "new Promise(go => { (function look() { location.href !== 'about:blank' && document.readyState ==="
            " 'complete' ? go(true) : setTimeout(look, 20) })() })"
        )
        yield found
    finally:
        browser.terminate()
        browser.wait(20)
        os.close(commands)
        os.close(answers)
