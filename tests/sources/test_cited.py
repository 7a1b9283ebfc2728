"""What people paste, read into listings."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.sources.cited import MOST, cited

BIBTEX = """
@article{vaswani2017attention,
  title={Attention Is {All} You Need},
  author={Vaswani, Ashish and Shazeer, Noam},
  journal={arXiv preprint arXiv:1706.03762},
  year={2017}
}
@misc{a, title = "Dense {R}etrieval", author = "Ada Lovelace and Alan Turing", eprint = {2601.00001v2},
  archivePrefix = {arXiv}, primaryClass = {cs.IR}, note = {an open ( bracket, and one more :)}}
@comment{nothing}
@inproceedings{b, title = {With a DOI {and (brackets)}}, doi = {10.1145/3292500.3330701}, month = jan, year = 2019}
@article{open, title = {Never closed}, doi = {10.1000/xyz}
@online{c, arxivId = {hep-th/9901001}, url = {https://Example.org/paper?utm_source=x}}
"""


def ids(pasted):
    return [dict(listing.ids) for listing in cited(pasted)]


@pytest.mark.parametrize(
    "said",
    [
        "2601.00001",
        "arXiv:2601.00001v3",
        "https://arxiv.org/abs/2601.00001",
        "see https://huggingface.co/papers/2601.00001.",
    ],
)
def test_an_arxiv_id_is_found_however_it_is_written(said):
    assert [found["arxiv"] for found in ids(said)] == ["2601.00001"]


def test_several_stand_in_a_line_or_one_in_each_and_count_once():
    assert len(ids("2601.00001, 2601.00002; hep-th/9901001\n2601.00001\n\n10.1000/xyz")) == 4


def test_bibtex_of_several_programs_is_read():
    found = cited(BIBTEX)
    assert [dict(listing.ids) for listing in found] == [
        {"arxiv": "1706.03762"},
        {"arxiv": "2601.00001"},
        {"doi": "10.1145/3292500.3330701"},
        {"doi": "10.1000/xyz"},
        {"url": "https://example.org/paper", "arxiv": "hep-th/9901001"},
    ]
    assert [listing.title for listing in found[:3]] == [
        "Attention Is All You Need",
        "Dense Retrieval",
        "With a DOI and (brackets)",
    ]
    assert found[0].authors == ("Vaswani, Ashish", "Shazeer, Noam")


def test_what_names_no_paper_is_kept_in_its_own_words_to_be_told():
    (found,) = cited("that one about owls")
    assert (found.title, dict(found.ids)) == ("that one about owls", {})


def test_a_whole_library_is_cut():
    assert len(cited("\n".join(f"2601.{n:05}" for n in range(2 * MOST)))) == MOST


@given(st.text(alphabet='@{}()=",a1\n ', max_size=200) | st.text(max_size=200))
def test_nothing_pasted_makes_it_fail(pasted):
    assert all(listing.title for listing in cited(pasted))


@pytest.mark.parametrize(
    "piece", ["@a{", "@a{}", "@a{}\n", "\n@a{", "a", "a=", "@ ", 'a="', "a={", "{", "@a{b=", "10."]
)
def test_hostile_text_takes_no_time(piece):
    before = time.process_time()
    cited(piece * (64_000 // len(piece)))
    assert time.process_time() - before < 20, "this grows faster than the text"
