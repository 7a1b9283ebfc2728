"""A stand-in for Amazon SES on loopback."""

import json
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from digest.delivery.ses import PATH, Ses, signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"region": "eu-west-1", "access_key": "AKIDEXAMPLE", "secret_key": SECRET}


class StandIn(ThreadingHTTPServer):
    """Checks signatures, keeps messages, and answers as it is told: (status, error, what it says) or `drop`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.says: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        self.connections = 0

    @property
    def messages(self) -> list[bytes]:
        return [b64decode(request["Content"]["Raw"]["Data"]) for request in self.requests]

    def ses(self, **settings: Any) -> Ses:
        return Ses(**(KEYS | {"endpoint": f"http://127.0.0.1:{self.server_port}", "timeout": 3} | settings))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != PATH or not self.signed(body):
            return self.say(403, "InvalidSignatureException", {"message": "the signature does not match"})
        said = self.server.says.pop(0) if self.server.says else None
        if said == "drop":
            self.close_connection = True
            return None
        if said:
            return self.say(*said)
        self.server.requests.append(json.loads(body))
        return self.say(200, "", {"MessageId": f"ses-{len(self.server.requests)}"})

    def signed(self, body: bytes) -> bool:
        given = dict(part.split("=", 1) for part in self.headers["Authorization"].split(" ", 1)[1].split(", "))
        headers = {name: self.headers[name] for name in given["SignedHeaders"].split(";")}
        scope = given["Credential"].partition("/")[2]
        return given["Signature"] == signature("POST", self.path, headers, body, SECRET, scope)

    def say(self, status: int, error: str, words: Any) -> None:
        body = words if isinstance(words, bytes) else json.dumps(words).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
