"""A package index on this machine, over HTTP: once it is closed, there is no network."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    max_age = 0

    def log_message(self, *_: object) -> None:
        pass

    def end_headers(self) -> None:
        if self.max_age:
            self.send_header("Cache-Control", f"max-age={self.max_age}")
        super().end_headers()


class _Lasting(_Quiet):
    """Whoever has asked need not ask again."""

    max_age = 36000


@contextmanager
def index_of(wheels: Path, directory: Path, *, lasts: bool = False) -> Iterator[str]:
    """The URL of a simple index (PEP 503) with these wheels and `.tar.gz`.

    `directory` is for its pages. `lasts`: what it says holds for hours, as uv remembers it.
    """
    for file in (*wheels.glob("*.whl"), *wheels.glob("*.tar.gz")):
        name = re.sub(r"[-_.]+", "-", file.name.partition("-")[0]).lower()
        project = directory / "simple" / name
        project.mkdir(parents=True, exist_ok=True)
        (project / file.name).write_bytes(file.read_bytes())
        links = "".join(
            f'<a href="{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">'
            f"{path.name}</a>"
            for path in project.iterdir()
            if path.name != "index.html"
        )
        (project / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    handler = functools.partial(_Lasting if lasts else _Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
