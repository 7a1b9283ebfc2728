"""Pages for subscribers: parse the request, call one service, print its answer. Nothing is decided here.

`pages` holds the routes, `guard` stands around every request: headers, body limit; `webhooks` is for mail providers,
`curate` for curators, `gallery` for whoever makes templates. Everything works without JavaScript and without third
parties; GET and HEAD never change state.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from digest.web import curate, webhooks
from digest.web.guard import Guard
from digest.web.pages import Pages

if TYPE_CHECKING:
    from digest.app import App

SILENT = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
"""FastAPI would export spans when the environment tells it to, and paths carry tokens"""


def create(app: "App") -> FastAPI:
    """The web application over *app*'s services."""
    web = FastAPI(openapi_url=None, redirect_slashes=False, telemetry=SILENT)  # a redirect would echo the Host header
    pages = Pages(app)
    pages.mount(web)
    curate.mount(web, app, pages)
    webhooks.mount(web, app)
    web.add_middleware(Guard)
    proxies = [name for network in app.settings.web.trusted_proxies for name in _names(network)]
    web.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)  # whose request it is (REQ-27)
    return web


def _names(network: IPv4Network | IPv6Network) -> list[str]:
    """A network, and as it is called where we listen on `::`."""
    mapped = [f"::ffff:{network.network_address}/{96 + network.prefixlen}"] if network.version == 4 else []
    return [str(network), *mapped]


def serve(app: "App") -> None:
    """Serves until SIGTERM or SIGINT. No access log: paths carry tokens. Proxies are judged in `create` alone."""
    at = app.settings.web
    uvicorn.run(create(app), host=at.host, port=at.port, access_log=False, server_header=False, proxy_headers=False)
