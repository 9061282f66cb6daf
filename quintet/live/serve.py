"""The server of the live page: in the foreground for `quintet live`, or as a child beside a training process."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from quintet.live.app import make_app

HOST = "127.0.0.1"
NICENESS = 10
"""Beside training the page waits, not the training."""


def serve(folder: Path, port: int = 0, say: Callable[[str], None] = print, until_stdin_ends: bool = False) -> None:
    """Serve the page of a run or comparison until Ctrl-C; `say` is told its address once it can be opened.

    Port 0 takes a free one. Only this machine is listened to, and the address holds a new secret. `until_stdin_ends`: stop when
    whoever started this process ends, however it ends, because its end of the pipe then closes.
    Raises ValueError where the port can't be had.
    """
    listener = _listen(port)
    token = secrets.token_urlsafe(24)
    config = uvicorn.Config(
        make_app(folder, token, lambda: server.should_exit),
        log_level="error",
        access_log=False,  # an address in a log would tell the secret
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    if until_stdin_ends:
        threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    say(f"http://{HOST}:{listener.getsockname()[1]}/{token}/")
    with contextlib.suppress(KeyboardInterrupt):  # how its user ends it
        server.run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # from now on whoever opens the page waits until the server is there
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"Port {port} can't be had: {reason}. Name another, or leave --port out to get a free one.") from error
    return listener


def _stop_with_parent(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


def main() -> None:
    """The child's own beginning (`python -m quintet.live.serve FOLDER`): its first line of output is the address."""
    os.nice(NICENESS)

    def say(address: str) -> None:
        print(address, flush=True)

    serve(Path(sys.argv[1]), say=say, until_stdin_ends=True)


if __name__ == "__main__":
    main()
