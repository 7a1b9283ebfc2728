"""The page where curators pick papers."""

import pytest

AK = {"curator": "AK", "secret": "opensesame-opensesame", "paper": "7", "note": "read this"}


def test_a_curator_with_the_secret_picks_a_paper(web, app):
    answer = web.post("/curate", data=AK)
    assert (answer.status_code, app.subscriptions.acts) == (200, [("pick", "7", "AK", "read this")])
    assert "Attention is mostly what you need" in answer.text
    assert AK["secret"] not in answer.text


@pytest.mark.parametrize("wrong", [{"secret": "guess"}, {"curator": "Ada"}, {"secret": ""}, {"curator": ""}])
def test_nobody_else_does_and_all_get_the_same_answer(web, app, wrong):
    answers = web.post("/curate", data={**AK, **wrong}), web.post("/curate", data={**AK, **wrong, "paper": "8"})
    assert [answer.status_code for answer in answers] == [403, 403], "known or not"
    assert app.subscriptions.acts == []


def test_who_guessed_too_often_has_to_wait(web, app):
    answer = web.post("/curate", data=AK | {"secret": "the eleventh guess"})
    assert (answer.status_code, "in ten minutes" in answer.text) == (429, True)
    assert app.subscriptions.acts == []


@pytest.mark.parametrize(("paper", "status"), [("", 422), ("8", 404), ("2601.00001", 503)])
def test_what_cannot_be_picked_is_said(web, paper, status):
    answer = web.post("/curate", data={**AK, "paper": paper})
    assert (answer.status_code, 'role="alert"' in answer.text) == (status, True)


def test_looking_picks_nothing_and_what_was_typed_stays_text(web, app):
    assert web.get("/curate?paper=7&curator=AK&secret=opensesame-opensesame").status_code == 200
    hostile = "\"><script>alert('x')</script>"
    assert "<script>" not in web.post("/curate", data={**AK, "secret": "x", "curator": hostile, "paper": hostile}).text
    assert app.subscriptions.acts == []


def test_a_body_may_not_be_large(web):
    assert web.post("/curate", data={**AK, "note": "x" * 70_000}).status_code == 413


def test_without_curators_there_is_no_such_page(app, serving):
    app.curation.secrets = {}
    with serving(app) as web:
        assert web.get("/curate").status_code == 404
