"""What providers report over HTTP. What is not theirs is refused with 400; what we know nothing of is fine, so that
nobody sends it again; trouble of ours is 503, so that somebody does."""

import logging
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from digest.errors import DigestError, NotFound

if TYPE_CHECKING:
    from digest.app import App


async def raw(request: Request) -> bytes:
    """The body as it came: that is what was signed."""
    return await request.body()


def mount(web: FastAPI, app: "App") -> None:
    """One route for all providers."""

    def told(request: Request, provider: str, body: Annotated[bytes, Depends(raw)]) -> Response:
        try:
            learned = app.feedback.callback(provider, dict(request.headers), body)
        except NotFound:
            raise HTTPException(404) from None
        except DigestError as error:
            logging.getLogger(__name__).warning("webhook %s: %s", provider, error)
            raise HTTPException(503, headers={"retry-after": "60"}) from None
        if learned is None:
            logging.getLogger(__name__).warning("webhook %s: refused; is its secret right?", provider)
            raise HTTPException(400)
        return PlainTextResponse("thank you")

    web.add_api_route("/webhooks/{provider}", told, methods=["POST"])
