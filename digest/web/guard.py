"""What stands around every request: headers, and the body limit."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
BATCH_LIMIT = 1024 * 1024
"""for providers, who send many events at once"""

_PUBLIC = {"", "assets", "editions", "papers", "robots.txt"}
"""every other first part of a path is somebody's own, or nobody's"""
_ALWAYS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def headers(path: str, method: str, status: int) -> dict[str, str]:
    """What every answer carries (REQ-28): no third parties, no framing, and nothing of a person is kept or indexed."""
    public = path.strip("/").partition("/")[0] in _PUBLIC
    lasting = public and status == 200 and method in ("GET", "HEAD")
    return {
        **_ALWAYS,
        "cache-control": "public, max-age=300" if lasting else "no-store",
        **({} if public else {"x-robots-tag": "noindex, nofollow"}),
    }


class Guard:
    """Puts `headers` on whatever is answered and refuses a body as soon as more than its limit arrived (REQ-33)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        length = Headers(scope=scope).get("content-length", "")
        limit = BATCH_LIMIT if scope["path"].startswith("/webhooks/") else BODY_LIMIT
        arrived = 0

        async def capped() -> Message:
            nonlocal arrived
            if length.isdecimal() and int(length[:20]) > limit:
                raise HTTPException(413)
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise HTTPException(413)
            return message

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers(scope["path"], scope["method"], message["status"]))
            await send(message)

        await self.app(scope, capped, dressed)
