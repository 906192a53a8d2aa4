"""How different the texts of a set are: embeddings, mean distance, Vendi score, and the most spread of them."""

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from longcot.files.errors import BadInput
from longcot.files.paths import model_source

TFIDF = "tfidf"


def embed(texts: Sequence[str], model: str = TFIDF) -> Any:
    """One row a text, of length 1 (0 for a text without a word): a sparse matrix for `tfidf`, else an array.

    `tfidf` (scikit-learn; sublinear term frequency) is fitted on these texts: embed all of a pool at once and compare
    sets as rows of it. Any other `model` is a directory or Hub id of sentence-transformers. Raises BadInput for no
    text, and for a model that cannot be had.
    """
    if not len(texts):
        raise BadInput("no text to embed; give at least one")
    if model != TFIDF:
        return _sentence_embeddings(texts, model)
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    except ValueError:  # no word in any of them
        return np.zeros((len(texts), 1))


def _sentence_embeddings(texts: Sequence[str], model: str) -> np.ndarray:
    from huggingface_hub import snapshot_download
    from sentence_transformers import SentenceTransformer

    try:
        folder = model_source(model)
        if not os.path.isdir(folder):  # one question to the Hub; the loader would ask for each file and again
            folder = snapshot_download(model, ignore_patterns=["onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack"])
        encoder = SentenceTransformer(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"})
    except Exception as error:  # the Hub's and the loader's errors share no base class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(
            f"embedding model {model}: cannot be had ({reason}); download it where there is a network (hf download "
            f"{model}) and give its folder, or use {TFIDF}, which needs no download"
        ) from None
    rows = encoder.encode(list(texts), show_progress_bar=False).astype(float)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def similarities(rows: Any, others: Any | None = None) -> np.ndarray:
    """Cosine similarity of each row to each of `others` (to each other where none are given): a dense array."""
    product = rows @ (rows if others is None else others).T
    return np.asarray(product.todense() if hasattr(product, "todense") else product)


def mean_distance(rows: Any) -> float:
    """The mean cosine distance, 1 - cos, over all pairs of different rows; NaN for fewer than two.

    No matrix of pairs is made: the sum of cos over pairs is (|sum of rows|² - sum of |row|²) / 2.
    """
    n = rows.shape[0]
    if n < 2:
        return float("nan")
    total = np.asarray(rows.sum(axis=0)).ravel()
    own = float(rows.multiply(rows).sum() if hasattr(rows, "multiply") else (rows * rows).sum())
    return float(1 - (total @ total - own) / (n * (n - 1)))


def vendi_score(rows: Any) -> float:
    """The effective number of different texts, 1 to n: exp of the entropy of the eigenvalues of K / n.

    K is the cosine similarity of the rows (Friedman and Dieng 2023, arXiv 2210.02410, definition 3.1). Takes n² memory
    and n³ time: for sets of up to a few thousand. Raises BadInput for no row.
    """
    n = rows.shape[0]
    if not n:
        raise BadInput("Vendi score of no text; give at least one")
    kernel = similarities(rows)
    np.fill_diagonal(kernel, 1.0)  # a text without a word is like itself all the same
    eigenvalues = np.linalg.eigvalsh(kernel / n)
    eigenvalues = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-(eigenvalues * np.log(eigenvalues)).sum()))


def k_centre(rows: Any, n: int, rng: random.Random) -> list[int]:
    """Positions of `n` rows that cover all the others best, in the order in which they were taken.

    The greedy k-centre of Gonzalez 1985 (Theor. Comput. Sci. 38:293), at most twice the best radius: the first is
    drawn, each next one is the farthest from all taken so far; of equally far ones the first. All where n is larger.
    """
    count = rows.shape[0]
    taken = [rng.randrange(count)] if count and n else []
    nearest = np.full(count, np.inf)
    while len(taken) < min(n, count):
        nearest = np.minimum(nearest, 1 - similarities(rows, rows[taken[-1] : taken[-1] + 1])[:, 0])
        nearest[taken] = -np.inf
        taken.append(int(nearest.argmax()))
    return taken
