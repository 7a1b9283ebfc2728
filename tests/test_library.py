"""The topics that come with the program."""

import re
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from digest.config import library

TOPICS = library()
# https://arxiv.org/category_taxonomy
TAXONOMY = {
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO "
    "SC SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "nlin": "AO CD CG PS SI",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
    "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "stat": "AP CO ME ML OT TH",
}
WHOLE = {"gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "math-ph", "nucl-ex", "nucl-th", "quant-ph"}
CATEGORIES = WHOLE | {f"{archive}.{name}" for archive, names in TAXONOMY.items() for name in names.split()}


def test_it_has_topics_in_every_archive():
    assert len(TOPICS) >= 150
    reached = {category.partition(".")[0] for topic in TOPICS for category in topic.categories}
    assert reached == WHOLE | TAXONOMY.keys()


def test_every_topic_has_a_name_and_a_slug_of_its_own():
    assert len({topic.slug for topic in TOPICS}) == len({topic.name.casefold() for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.slug)
def test_a_topic_says_what_it_is_about(topic):
    assert len(topic.description) >= 40
    assert topic.description.endswith(".")
    assert 6 <= len({keyword.casefold() for keyword in topic.keywords}) == len(topic.keywords) <= 12
    assert set(topic.categories) <= CATEGORIES
    assert topic.field
    assert all(topic.within(name) for name in (topic.slug, topic.categories[0], topic.field))


def test_no_two_descriptions_are_alike():
    words = {topic.slug: re.findall(r"\w+", topic.description.casefold()) for topic in TOPICS}
    pairs = combinations(words, 2)
    near = [(a, b) for a, b in pairs if SequenceMatcher(None, words[a], words[b], autojunk=False).ratio() > 0.6]
    assert near == []
