"""A web server on this machine that behaves as well, or as badly, as a test wants."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vitobench.tasks.download.publication import RemoteFile


@dataclass
class Page:
    """What is served under a path.

    Attributes:
        content: The bytes.
        etag: Its entity tag, if any.
        modified: Its date, if any.
        ranges: Whether Range is understood.
        if_range: Whether If-Range is heeded, too.
        cut: Bytes of body after which the connection breaks, one entry for each request; None is unbroken.
        statuses: Error codes to answer first, one for each request.
        location: Where to redirect to.
        kind: Content-Type.
        length: Whether the length is told.
        encoding: Content-Encoding to claim.
        announced: Content-Length to claim where it is not that of the body.
        content_range: Content-Range to claim, one entry for each answer of 206; then the right one.
        most: Bytes that one answer of 206 has at most.
        quiet_range: Whether an answer of 206 leaves out tag and date.
    """

    content: bytes = b""
    etag: str = ""
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    cut: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    kind: str = "application/octet-stream"
    length: bool = True
    encoding: str = ""
    announced: int | None = None
    content_range: list[str] = field(default_factory=list)
    most: int | None = None
    quiet_range: bool = False


@dataclass
class Site:
    """The server: its pages, and what it was asked."""

    address: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def publish(self, name: str, content: bytes, **more: object) -> RemoteFile:
        """Serve bytes, and describe them rightly."""
        self.pages[f"/{name}"] = Page(content, **more)  # type: ignore[arg-type]
        digest = hashlib.sha256(content).hexdigest()
        return RemoteFile(f"{self.address}/{name}", name, len(content), sha256=digest)

    @property
    def ranges(self) -> list[str]:
        """The Range headers of all requests; empty where there was none."""
        return [headers.get("Range", "") for headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.site.asked.append(dict(self.headers.items()) | {"path": self.path})
        page = self.site.pages.get(self.path)
        if page is None:
            self._end(404)
        elif page.statuses:
            self._end(page.statuses.pop(0))
        elif page.location:
            self._end(302, {"Location": page.location})
        else:
            self._give(page)

    def _end(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give(self, page: Page) -> None:
        start, total = 0, len(page.content)
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if asked and page.ranges and (not condition or not page.if_range or condition in (page.etag, page.modified)):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= total:
                self._end(416, {"Content-Range": f"bytes */{total}"})
                return
            part = True
            end = total if page.most is None else min(total, start + page.most)
            self.send_response(206)
            right = f"bytes {start}-{end - 1}/{total}"
            self.send_header("Content-Range", page.content_range.pop(0) if page.content_range else right)
        else:
            part, end = False, total
            self.send_response(200)
        for name, value in (("ETag", page.etag), ("Last-Modified", page.modified), ("Content-Encoding", page.encoding)):
            if value and not (part and page.quiet_range and name != "Content-Encoding"):
                self.send_header(name, value)
        body = page.content[start:end]
        self.send_header("Content-Type", page.kind)
        if page.length:
            self.send_header("Content-Length", str(len(body) if page.announced is None else page.announced))
        self.end_headers()
        cut = page.cut.pop(0) if page.cut else None
        with contextlib.suppress(OSError):  # a client that has seen enough goes away
            self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = cut is not None or not page.length or page.announced is not None


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield handler.site
    server.shutdown()
    server.server_close()
    thread.join()
