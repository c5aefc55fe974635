"""An embedder without a download or a network: the vectors of words that the package `wordllama` ships.

A text means the mean of the vectors of its different words. Only the files of that package are read: importing it
would set up the application's logging.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import InvalidInput

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_NEEDED = ("wordllama", "numpy", "safetensors", "tokenizers")
_LONGEST_TEXT = 65_536
"""Characters of one text that are embedded: a mean of more words hardly changes."""


@dataclass(frozen=True, slots=True)
class _Model:
    tokenizer: Any
    vectors: Any

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        cut = [text[:_LONGEST_TEXT] for text in texts]
        words = self.tokenizer.encode_batch(cut, add_special_tokens=False)
        return [self._mean(sorted(set(each.ids))) for each in words]

    def _mean(self, words: list[int]) -> list[float]:
        if not words:
            return [0.0] * int(self.vectors.shape[1])
        return list(self.vectors[words].mean(axis=0, dtype="float64").tolist())


def static_embedder() -> Callable[[list[str]], list[list[float]]]:
    """Return a function from texts to vectors, which reads its files when it is first called.

    Raises:
        InvalidInput: a package that it needs is not installed.
    """
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if missing:
        raise InvalidInput("embedder", f"'static' needs {missing[0]}; `pip install wordllama` gets it")
    return lambda texts: _model().embed(texts)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it was taken out of the program's modules
        return False


@cache
def _model() -> _Model:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = _folder()
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (vectors,) = load_file(folder / _WEIGHTS).values()
    return _Model(tokenizer, vectors)


def _folder() -> Path:
    """Return the folder of the package `wordllama`, without importing it."""
    found = find_spec("wordllama")
    folders = (found.submodule_search_locations if found else None) or [""]
    return Path(folders[0])
