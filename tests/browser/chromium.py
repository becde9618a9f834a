"""Headless Chromium over the DevTools protocol: one process, one page, and the few verbs that tests need.

Source: chromedevtools.github.io/devtools-protocol, the domains Page, Runtime, Input, Log.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.debian import program

PATIENCE = 20.0  # seconds; only a test that fails waits so long
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
)


def require_chromium() -> str:
    return program("chromium", "chromium", "chromium-browser", "google-chrome")


class Chromium:
    """`async with Chromium(path, folder) as browser: page = await browser.open(url)`; the folder is its profile."""

    def __init__(self, path: str, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._pages: list[Page] = []

    async def __aenter__(self) -> Self:
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            self._path, *FLAGS, f"--user-data-dir={self._folder}", "about:blank", stdout=quiet, stderr=quiet
        )
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for page in self._pages:
            await page.close()
        await self._session.close()
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    async def _address(self) -> str:
        """Chromium writes the port that it took into its profile."""
        port = self._folder / "DevToolsActivePort"
        async with asyncio.timeout(PATIENCE):
            while not (port.exists() and port.read_text().count("\n")):
                assert self._process.returncode is None, f"Chromium ended with {self._process.returncode}"
                await asyncio.sleep(0.02)
        return f"http://127.0.0.1:{port.read_text().splitlines()[0]}"

    async def open(self, url: str) -> Page:
        """A new page at that address, loaded."""
        async with self._session.put(f"{await self._address()}/json/new?about:blank") as answer:
            target = await answer.json()
        page = Page(await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
        self._pages.append(page)
        await page.begin(url)
        return page


_UNTIL = """
new Promise((done, never) => {
  const end = performance.now() + %d;
  const look = () => {
    let found = null;
    try { found = (%s); } catch { /* not there yet */ }
    if (found) done(found);
    else if (performance.now() > end) never(new Error(`not seen on: ${document.body.innerText}`));
    else setTimeout(look, 15);
  };
  look();
})
"""


class Page:
    """What a person sees and does; everything that the console complains about is in `complaints`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
                continue
            about = said["params"]
            match said["method"]:
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(about["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                    self.complaints.append(json.dumps(about["args"]))
                case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                    self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url')}")

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            said = await self._waiting[number]
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def begin(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=url)

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        said = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, script: str) -> Any:
        """The first true value of an expression, looked at whenever the page is drawn."""
        return await self.run(_UNTIL % (PATIENCE * 900, script))

    async def sees(self, words: str, where: str = "body") -> None:
        """Until these words stand on the page."""
        await self.until(f"document.querySelector({json.dumps(where)}).innerText.includes({json.dumps(words)})")

    async def press(self, label: str, where: str = "body") -> None:
        """Clicks the last button or link that is called so, with the mouse."""
        at = await self.until(
            f"(() => {{ const all = document.querySelector({json.dumps(where)}).querySelectorAll('button, a');"
            " const called = (one) => one.innerText.trim().replace(/\\s+/g, ' ');"
            f" const one = [...all].filter((one) => one.offsetParent && called(one) === {json.dumps(label)}).pop();"
            " one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            " return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    async def type(self, words: str, into: str = "#composer textarea") -> None:
        """Types into a box and presses Enter."""
        await self.until(f"Boolean(document.querySelector({json.dumps(into)}))")
        await self.run(f"document.querySelector({json.dumps(into)}).focus()")
        await self.ask("Input.insertText", text=words)
        for kind in ("keyDown", "keyUp"):
            enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
            await self.ask("Input.dispatchKeyEvent", type=kind, **enter)

    async def choose(self, value: str, menu: str) -> None:
        """Chooses an option of a menu."""
        await self.run(
            f"(() => {{ const menu = document.querySelector({json.dumps(menu)}); menu.value = {json.dumps(value)};"
            " menu.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    async def become(self, person: str) -> None:
        """Switches to somebody else, and waits until the page shows what they see."""
        await self.choose(person, "#persona")
        await self.until(f"document.body.dataset.shown === {json.dumps(person)}")

    async def photographed(self) -> bytes:
        """The page as it looks, as a PNG."""
        shot = await self.ask("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])
