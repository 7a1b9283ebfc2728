import pytest

from digest.model import GENERAL, NAMELESS, Pick, Reason, ReasonCode
from digest.rendering.press import items
from digest.rendering.reasons import because


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason(ReasonCode.TOPIC, 1), "you follow Long context"),
        (Reason(ReasonCode.TEXT, 4), "your words “passages”"),
        (Reason(ReasonCode.KEYWORD, 3), "your keyword “retrieve”"),
        (Reason(ReasonCode.CATEGORY, 0), "you follow cs.CL"),
        (Reason(ReasonCode.AUTHOR, 1), "you follow Ben Sample"),
        (Reason(ReasonCode.TREND), "it is trending: 48 upvotes in 18 h"),
        (Reason(ReasonCode.FRESH), "it is new"),
        (Reason(ReasonCode.LIKED, 4), "you voted for papers on “passages”"),
        (Reason(ReasonCode.LIKED, NAMELESS), "it is like papers you voted for"),
        (Reason(ReasonCode.PROMISING), "it is new, and like papers that went on to trend: about 1 in 4 did"),
        (Reason(ReasonCode.EVENT), "you know it, and it is published now, 10.1038/x"),
        (Reason(ReasonCode.EXPLORE), "it lies outside of what you follow"),
    ],
)
def test_every_reason_has_words(reason, words, edition, paper):
    card = paper("Long contexts", abstract="We (retrieve) passages.")
    (item,) = items(
        edition(card, trend_line="48 upvotes in 18 h", chance=0.24, event="10.1038/x"), [Pick(0, 1.0, (reason,))]
    )
    if reason.code is ReasonCode.KEYWORD:
        assert card.words[3] == "(retrieve)"
    assert item.reasons == (words,)
    assert item.section == ("trending" if reason.code in GENERAL else "for-you")


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (0.0, "it is new"),
        (0.02, "it is new, and like papers that went on to trend: about 1 in 50 did"),
        (0.9, "it is new, and like papers that went on to trend: most of them did"),
    ],
)
def test_a_chance_is_told_as_sure_as_it_is(chance, words, edition, paper):
    (item,) = items(edition(paper("New"), chance=chance), [Pick(0, 1.0, (Reason(ReasonCode.PROMISING),))])
    assert item.reasons == (words,)


def test_a_robots_arm_is_told_as_robot(edition, paper):
    (item,) = items(edition(paper("A robot's arm")), [Pick(0, 1.0, (Reason(ReasonCode.KEYWORD, 1),))])
    assert item.reasons == ("your keyword “robot”",)


def test_a_sentence_without_blanks_is_not_quoted_whole(edition, paper):
    (item,) = items(edition(paper("图像分割方法" * 30)), [Pick(0, 1.0, (Reason(ReasonCode.TEXT, 0),))])
    assert item.reasons == (f"your words “{('图像分割方法' * 30)[:39]}…”",)


def test_a_topic_is_told_with_the_word_that_a_paper_shares_with_it(edition, paper):
    pick = Pick(0, 1.0, (Reason(ReasonCode.TOPIC, 1), Reason(ReasonCode.TERM, 3)))
    (item,) = items(edition(paper("Long contexts", abstract="We (retrieve) passages.")), [pick])
    assert item.reasons == ("you follow Long context: “retrieve”",)


def test_a_topic_that_the_edition_does_not_know_is_not_mentioned(edition, paper):
    (item,) = items(edition(paper()), [Pick(0, 1.0, (Reason(ReasonCode.TOPIC, 99), Reason(ReasonCode.FRESH)))])
    assert item.reasons == ("it is new",)
    (item,) = items(edition(paper()), [Pick(0, 1.0, (Reason(ReasonCode.TOPIC, 99), Reason(ReasonCode.TERM, 0)))])
    assert item.reasons == ()


def test_reasons_become_one_line():
    assert because(["you follow Long context", "your words “retrieval”"]) == (
        "Because you follow Long context · your words “retrieval”"
    )
    assert because(["your words “retrieval”"]) == "Because of your words “retrieval”"
    assert because([]) == ""
