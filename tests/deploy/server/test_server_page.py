"""The page in headless Chromium: a microphone that plays a file, a recording, and everything that may go wrong.

Each test listens for about a second in real time, for that is what the page does.
"""

import re
import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
import uvicorn
from live_server import RATE, eventually, live_server
from playwright.sync_api import Page, expect, sync_playwright
from small_graphs import write_stream_file

from deploy.server.run import listen, uvicorn_config
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
expect.set_options(timeout=15_000)  # the machine may be busy
LOUD = np.random.default_rng(0).normal(0.0, 0.1, RATE * 3)


def speech(path, offset):
    """The small detector's score follows the mean of the samples: above 0 is bona fide."""
    soundfile.write(path, LOUD[: RATE * 3 // 2] + offset, RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Detector:
    return Detector.load(write_stream_file(tmp_path_factory.mktemp("server") / "detector.onnx"))


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    heard = speech(tmp_path_factory.mktemp("microphone") / "heard.wav", offset=0.2)
    arguments = [*QUIET, *MICROPHONE, f"--use-file-for-fake-audio-capture={heard}"]
    with chromium.launch(executable_path=CHROMIUM, args=arguments) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(detector):
    with live_server(detector) as server:
        yield server


@contextmanager
def opened(browser, server, **options):
    """The page, which may neither complain nor ask anybody but the server for anything."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints, strangers = [], []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: strangers.append(request.url) if server.address not in request.url else None)
    page.goto(f"http://{server.address}/")
    expect(page.locator("#toggle")).to_be_enabled()
    yield page
    context.close()
    assert not strangers
    assert not [text for text in complaints if "WebSocket connection" not in text]


def number(page: Page, name: str) -> float:
    text = page.inner_text(f"#{name}").replace("\N{MINUS SIGN}", "-")
    return float(re.sub(r"[^-+.\d]", "", text))


def is_drawn(page: Page, canvas: str) -> bool:
    """Whether a canvas shows more than a few colours."""
    script = """id => { const c = document.getElementById(id), p = new Uint32Array(
        c.getContext("2d").getImageData(c.width / 2, 0, c.width / 2, c.height).data.buffer); return new Set(p).size }"""
    return page.evaluate(script, canvas) > 30


def test_nothing_starts_before_the_page_knows_the_detector(browser, server):
    held = []
    with opened(browser, server) as page:
        page.route("**/v1/detector", lambda route: held.append(route))
        page.reload()
        eventually(lambda: page.wait_for_timeout(10) or held)
        expect(page.locator("#toggle")).to_be_disabled()
        expect(page.locator("#file")).to_be_disabled()
        held[0].continue_()
        expect(page.locator("#toggle")).to_be_enabled()
        expect(page.locator("#file")).to_be_enabled()


def test_the_microphone_from_start_to_verdict(browser, server):
    with opened(browser, server) as page:
        expect(page.locator("#words")).to_have_text("Ready to listen")
        page.click("#toggle")
        expect(page.locator("#words")).to_have_text("Sounds genuine")
        expect(page.locator("#connection")).to_have_text("connected")
        expect(page.locator("#verdict")).to_have_attribute("data-label", "bonafide")
        expect(page.locator("#announcement")).to_have_text("Sounds genuine")  # once it has settled
        assert number(page, "score") > 0
        assert number(page, "heard") > 0.5
        assert 0 < number(page, "latency") < 1000
        assert is_drawn(page, "spectrogram")
        assert is_drawn(page, "scores")
        page.click("#toggle")
        expect(page.locator("#connection")).to_have_text("finished")
        expect(page.locator("#announcement")).to_have_text("Verdict: Sounds genuine")
        expect(page.locator("#reason")).to_contain_text("s heard. Score +")
        expect(page.locator("#toggle")).to_have_text("Start the microphone")
    eventually(lambda: server.service.gate.streams.taken == 0)


def test_a_recording_is_played_to_its_end(browser, server, detector, tmp_path):
    path = speech(tmp_path / "spoof.wav", offset=-0.2)
    with opened(browser, server, color_scheme="dark") as page:
        page.select_option("#aggregation", "running")
        page.set_input_files("#file", path)
        expect(page.locator("#toggle")).to_have_text("Stop")
        expect(page.locator("#words")).to_have_text("Sounds spoofed")
        expect(page.locator("#connection")).to_have_text("finished")
        assert number(page, "heard") == pytest.approx(1.5, abs=0.1)
        assert number(page, "score") == pytest.approx(detector.score_file(path).score, abs=0.05)


def test_a_file_that_is_no_recording(browser, server, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("no audio")
    with opened(browser, server) as page:
        page.set_input_files("#file", path)
        expect(page.get_by_role("alert")).to_contain_text("cannot be played")
        expect(page.locator("#toggle")).to_be_enabled()


def test_a_denied_microphone(chromium, server):
    """A browser of its own, which nobody told to allow one: without a screen it denies."""
    with (
        chromium.launch(executable_path=CHROMIUM, args=[*QUIET, MICROPHONE[0]]) as browser,
        opened(browser, server) as page,
    ):
        page.click("#toggle")
        expect(page.get_by_role("alert")).to_contain_text("The microphone was denied")
        expect(page.get_by_role("alert")).to_contain_text("Allow it for this page")
        expect(page.locator("#words")).to_have_text("Ready to listen")


def test_a_full_server_and_another_try(browser, detector):
    with live_server(detector, max_streams=1) as server, opened(browser, server) as page:
        with server.stream():
            page.click("#toggle")
            expect(page.get_by_role("alert")).to_contain_text("The server is full")
        eventually(lambda: server.service.gate.streams.taken == 0)
        page.click("#reconnect")
        expect(page.locator("#connection")).to_have_text("connected")
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_lost_connection_and_another(browser, detector):
    first = Restartable(detector)
    with opened(browser, first) as page:
        page.click("#toggle")
        expect(page.locator("#connection")).to_have_text("connected")
        first.end()
        expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
        second = Restartable(detector, first.port)
        expect(page.locator("#reconnect")).to_have_text("Reconnect")
        page.click("#reconnect")
        expect(page.locator("#connection")).to_have_text("connected")
        expect(page.locator("#words")).to_have_text("Sounds genuine")
        page.click("#toggle")
        expect(page.locator("#connection")).to_have_text("finished")
    second.end()


class Restartable:
    """A server that ends, and another at the same address."""

    def __init__(self, detector, port=0):
        settings = ServerSettings(port=port)
        listener = listen(settings)
        self.port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._server = uvicorn.Server(uvicorn_config(detector, settings))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        eventually(lambda: self._server.started)

    def end(self):
        self._server.should_exit = True
        self._thread.join()


def test_the_token_is_asked_for(browser, detector):
    with live_server(detector, token="open-sesame") as server, opened(browser, server) as page:
        page.click("#toggle")
        expect(page.get_by_role("alert")).to_contain_text("The server asks for a token")
        page.fill("#token", "open-sesame")
        page.click("#reconnect")
        expect(page.locator("#connection")).to_have_text("connected")


def test_the_last_seconds_decide_if_asked_to(browser, server, tmp_path):
    path = tmp_path / "partly.wav"
    wave = np.concatenate([LOUD[: RATE * 2] - 0.2, np.tile(LOUD + 0.1, 2)[: RATE * 5]])
    soundfile.write(path, wave, RATE, subtype="PCM_16")
    with opened(browser, server) as page:
        page.select_option("#aggregation", "sliding")
        page.set_input_files("#file", path)
        expect(page.locator("#words")).to_have_text("Sounds spoofed")
        expect(page.locator("#connection")).to_have_text("finished", timeout=20_000)
        expect(page.locator("#words")).to_have_text("Sounds genuine")
        expect(page.locator("#reason")).to_contain_text("Most like a spoof from 0.0 to 4.0 s")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_every_screen(browser, server, width):
    with opened(browser, server, viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        for name in ("toggle", "score", "spectrogram"):
            box = page.locator(f"#{name}").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_everything_has_a_name_and_the_keyboard_reaches_it(browser, server):
    with opened(browser, server) as page:
        for role, name in (
            ("button", "Start the microphone"),
            ("combobox", "Decide by"),
            ("button", "Play a recording"),
            ("img", re.compile("score over the last")),
            ("img", re.compile("Spectrogram")),
        ):
            expect(page.get_by_role(role, name=name)).to_have_count(1)
        assert page.get_attribute("#announcement", "aria-live") == "polite"
        reached = []
        for _ in range(3):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        assert reached == ["toggle", "file", "aggregation"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser, server, scheme):
    """A contrast of 4.5 at least (WCAG 2.2, success criterion 1.4.3)."""
    with opened(browser, server, color_scheme=scheme) as page:
        script = "n => getComputedStyle(document.documentElement).getPropertyValue(n)"
        colours = {n: page.evaluate(script, f"--{n}").strip() for n in PAIRS.keys() | set().union(*PAIRS.values())}
    for ink, grounds in PAIRS.items():
        for ground in grounds:
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


PAIRS = {
    "ink": {"ground", "card"},
    "soft": {"ground", "card", "bonafide-wash", "spoof-wash"},
    "bonafide": {"bonafide-wash"},
    "spoof": {"spoof-wash"},
    "problem": {"problem-wash"},
    "accent-ink": {"accent"},
}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, definition of contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
