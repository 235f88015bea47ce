"""A package index on this machine, over HTTP: once it is closed, there is no network."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def index_of(wheels: Path, directory: Path) -> Iterator[str]:
    """The URL of a simple index (PEP 503) with these wheels and `.tar.gz`.

    `directory` is for its pages.
    """
    for file in (*wheels.glob("*.whl"), *wheels.glob("*.tar.gz")):
        project = directory / "simple" / file.name.partition("-")[0]
        project.mkdir(parents=True, exist_ok=True)
        (project / file.name).write_bytes(file.read_bytes())
        names = [path.name for path in project.iterdir() if path.name != "index.html"]
        links = "".join(f'<a href="{name}">{name}</a>' for name in names)
        (project / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    handler = functools.partial(_Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
