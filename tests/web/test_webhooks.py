"""Callbacks of mail providers: theirs are taken, others refused; trouble of ours is told, so that they come again."""

from types import SimpleNamespace

import pytest

from digest.errors import CatalogError, NotFound
from digest.services.feedback import Learned


@pytest.fixture
def told(app):
    """What the service was asked; its answer is `answer`, or raised."""
    asked = SimpleNamespace(calls=[], answer=Learned())

    def callback(provider, headers, body):
        asked.calls.append((provider, headers, body))
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer

    app.feedback = SimpleNamespace(callback=callback)
    return asked


def test_a_callback_reaches_the_service_byte_for_byte(web, told):
    answer = web.post("/webhooks/postmark", content=b'{"a":  1}', headers={"X-Signature": "s"})
    ((provider, headers, body),) = told.calls
    assert answer.status_code == 200
    assert (provider, headers["x-signature"], body) == ("postmark", "s", b'{"a":  1}')
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("answer", "status"), [(None, 400), (NotFound("no provider"), 404), (CatalogError("the disk is full"), 503)]
)
def test_what_is_not_theirs_is_refused_and_trouble_is_told(web, told, answer, status):
    told.answer = answer
    said = web.post("/webhooks/postmark", content=b"{}")
    assert said.status_code == status
    assert "disk" not in said.text


def test_a_refused_callback_is_told_for_its_secret_may_be_wrong(web, told, caplog):
    told.answer = None
    web.post("/webhooks/postmark", content=b"{}")
    assert "webhook postmark: refused; is its secret right?" in caplog.text


def test_looking_changes_nothing(web, told):
    assert web.get("/webhooks/postmark").status_code == 405
    assert told.calls == []


def test_many_events_may_come_at_once_but_not_without_end(web, told):
    assert web.post("/webhooks/sendgrid", content=b" " * 500_000).status_code == 200
    assert web.post("/webhooks/sendgrid", content=b" " * 1_100_000).status_code == 413
    assert len(told.calls) == 1
