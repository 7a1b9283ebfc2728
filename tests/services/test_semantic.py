"""A model with eight words (tests/data/tiny.onnx: a table that gives each its vector) stands in for a real one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from digest.errors import InputError, NotFound
from digest.ranking.text import Texts
from digest.services import evaluate, semantic
from digest.services.semantic import Semantic

WORDS = ["[PAD]", "[UNK]", "cat", "feline", "robot", "hands", "stars", "galaxy"]
TINY = Path(__file__).parents[1] / "data" / "tiny.onnx"

pytest.importorskip("onnxruntime", reason="digest[semantic] is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="digest[semantic] is not installed")


@pytest.fixture
def folder(tmp_path):
    (made := tmp_path / "model").mkdir()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, "[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(made / "tokenizer.json"))
    shutil.copy(TINY, made)
    return made


@pytest.fixture
def meaning(folder, tmp_path):
    return Semantic(semantic.find("model", tmp_path), tmp_path / "kept.vectors")


def test_texts_that_mean_the_same_have_vectors_that_point_the_same_way(meaning):
    vectors = meaning(["Cat", "a feline", "robot hands with a robot", ""])
    assert vectors.shape == (4, 4)
    assert np.allclose(np.linalg.norm(vectors[:3], axis=1), 1, atol=1e-3)
    assert vectors[0] @ meaning(["feline"])[0] > 0.9 > vectors[0] @ vectors[2]
    assert meaning([]).shape[0] == 0


def test_each_text_is_computed_once_also_by_the_next_who_asks(meaning, monkeypatch):
    first = meaning(["cat", "stars", "cat"])
    assert meaning.kept.stat().st_mode & 0o777 == 0o600
    again = Semantic(meaning.model, meaning.kept)
    monkeypatch.setattr(again, "_vectors", lambda texts: pytest.fail("computed again"))
    assert np.array_equal(again(["cat", "stars", "cat"]), first)


def test_vectors_of_a_model_are_not_taken_for_those_of_another_of_its_name_and_size(meaning):
    meaning(["cat"])
    meaning.model.write_bytes(bytes(meaning.model.stat().st_size))
    with pytest.raises(InputError, match="this model cannot be used"):
        Semantic(meaning.model, meaning.kept)(["cat"])


def test_a_broken_file_of_vectors_is_named(meaning):
    meaning.kept.write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match=r"kept\.vectors: file is not a database"):
        meaning(["cat"])


def test_only_the_newest_vectors_are_kept(meaning, monkeypatch):
    monkeypatch.setattr(semantic, "KEPT", 2)
    asked = []
    real = meaning._vectors
    monkeypatch.setattr(meaning, "_vectors", lambda texts: asked.extend(texts) or real(texts))
    for text in ("cat", "stars", "robot", "cat", "robot"):
        meaning([text])
    assert asked == ["cat", "stars", "robot", "cat"]


def test_what_a_query_means_counts_where_its_words_are_lacking(meaning):
    papers = [("The cat", "It sleeps."), ("Robot hands", "They grasp."), ("Stars", "A galaxy of them.")]
    plain, meant = Texts(papers), Texts(papers, meaning)
    query = [("feline hands", 1.0)]
    before, after = (texts.evidence([texts.query(query)])[0][0] for texts in (plain, meant))
    assert after[0] - before[0] > after[2] - before[2]


@pytest.mark.parametrize("name", ["nowhere", "json", "../model/.."])
def test_where_there_is_no_model_it_is_said(tmp_path, name):
    with pytest.raises(NotFound, match="neither a folder nor an installed package"):
        semantic.find(name, tmp_path)


def test_a_model_that_cannot_be_used_is_named(folder, meaning):
    (folder / "tiny.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"tiny\.onnx: this model cannot be used"):
        meaning(["cat"])


def test_evaluate_stands_it_beside_the_words_alone(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    papers = [{"id": f"{n}", "title": WORDS[2 + n % 6], "abstract": f"paper {n}"} for n in range(24)]
    Path("papers.jsonl").write_text("\n".join(map(json.dumps, papers)))
    Path("topics.json").write_text(
        json.dumps([{"tag": "feline", "relevant": [p["id"] for p in papers if p["title"] == "cat"]}])
    )
    given = [([Path("papers.jsonl")], Path("topics.json"))]
    found = evaluate.relevance(given, ["digest", "digest+semantic"], model="model").methods
    assert found["digest+semantic"]["ndcg@10"] > found["digest"]["ndcg@10"]
    assert Path("model/tiny.vectors").exists()
    assert "digest+semantic" in evaluate.relevance(given, model="model").methods
    with pytest.raises(NotFound, match="--model"):
        evaluate.chosen(["digest+semantic"], 0)
