"""`RemoteMonitor`: the logs of every epoch, sent to a server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback


class RemoteMonitor(Callback):
    """Posts the logs of every epoch to a server.

    Args:
        root: Address of the server.
        path: Path on the server.
        field: Name of the form field that carries the logs as JSON.
        headers: Headers of the request.
        send_as_json: Whether to send JSON as the body instead of a form.

    Example:
        ```python
        RemoteMonitor("http://monitor.example:9000", send_as_json=True)
        ```
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ):
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sends the logs; a server that cannot be reached is a warning."""
        import urllib.error
        import urllib.parse
        import urllib.request

        values = {"epoch": epoch, **{name: _plain(value) for name, value in (logs or {}).items()}}
        text = json.dumps(values)
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        if not self.root.startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor sends to http:// and https:// addresses. Received: root={self.root!r}")
        request = urllib.request.Request(
            self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
        except (urllib.error.URLError, OSError) as error:
            import warnings

            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}: {error}", stacklevel=2)


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist() if hasattr(value, "__array__") or isinstance(value, np.generic) else value
