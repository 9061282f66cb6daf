"""Who may read the page: a browser on this machine that was given the page's address, and nobody else."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files from its own server."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets a request through whose path begins with the secret and whose Host is this machine's own name; 403 for all others.

    A page elsewhere on the web can make a browser ask a server on this machine, under a name that it lets point here (DNS
    rebinding): the name in Host then isn't ours. Other users of the machine can ask as well, but don't know the secret.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")) -> None:
        self.app, self.token, self.hosts = app, token.encode(), hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, without the secret, or refuse it; every answer gets the headers that keep the page to itself."""
        if scope["type"] != "http":  # the server's own start and end
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *ours]}
            await send(message)

        if not self._may(scope):
            refusal = PlainTextResponse("Not allowed. Open the address that `quintet` printed, secret and all.\n", 403)
            await refusal(scope, receive, with_headers)
            return
        prefix = f"/{self.token.decode()}"
        if scope["path"] == prefix:  # the page's own addresses are relative to the folder
            await RedirectResponse(f"{prefix}/")(scope, receive, with_headers)
            return
        await self.app({**scope, "path": scope["path"][len(prefix) :]}, receive, with_headers)

    def _may(self, scope: Scope) -> bool:
        host = Headers(scope=scope).get("host", "").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        first = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        knows = secrets.compare_digest(first.encode("utf-8", "replace"), self.token)  # takes as long for any wrong one
        return knows and name in self.hosts and scope["method"] in ("GET", "HEAD")
