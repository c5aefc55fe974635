"""How many tokens text costs a model: counted by the application, by `tiktoken`, or estimated.

What a message costs beside its text, an image or a document, is one rule for every adapter.
"""

import inspect
import logging
import string
from functools import cache
from importlib.util import find_spec
from operator import index
from typing import SupportsIndex

from ..errors import InvalidInput, shown
from ..types import TokenCounter
from . import checks

logger = logging.getLogger(__name__)

MEDIA_TOKENS = 256
"""Estimate for an image, a sound or a film, which models count each in their own way; LlamaIndex assumes the same."""

DOCUMENT_TOKENS = 2048
"""Estimate for a document, the same as LlamaIndex's."""

DEFAULT_ENCODING = "o200k_base"
"""The encoding that the name "tiktoken" alone means: that of the models since GPT-4o."""

_WORDS = (string.ascii_letters + string.whitespace).encode()
_DIGITS = string.digits.encode()


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of *text*, mostly within a fifth of what models of today count.

    In hundredths of a token, as measured with `o200k_base`: 21 for a letter of ASCII or a space, 65 for a digit, 55 for
    other ASCII, as in code; 35 for a character that takes two bytes in UTF-8, as of Russian, 85 for one that takes
    three, as of Chinese, Japanese or Korean, and 160 for one that takes four, as an emoji. Rounded up.
    """
    plain = text.encode("ascii", "ignore")
    others = plain.translate(None, _WORDS)
    signs = len(others.translate(None, _DIGITS))
    hundredths = 21 * (len(plain) - len(others)) + 65 * (len(others) - signs) + 55 * signs
    if len(plain) < len(text):
        hundredths += _beyond_ascii(text, len(plain))
    return (hundredths + 99) // 100


def _beyond_ascii(text: str, plain: int) -> int:
    """Return the hundredths of a token that all but the *plain* characters of *text* take.

    How many take two, three and four bytes follows from its length in three encodings.
    """
    four = len(text.encode("utf-16-le", "surrogatepass")) // 2 - len(text)
    others, size = len(text) - plain - four, len(text.encode("utf-8", "surrogatepass")) - plain - 4 * four
    three = size - 2 * others
    return 35 * (others - three) + 85 * three + 160 * four


def counter_of(given: TokenCounter | str | None) -> TokenCounter:
    """Return what counts tokens: the function that is *given*, `tiktoken` by a name of its own, or the estimate.

    Raises:
        InvalidInput: it is neither, or `tiktoken` has no such name or is not installed.
    """
    if given is None:
        return estimated_tokens
    return _tiktoken(given) if isinstance(given, str) else checks.token_counter(given)


def _tiktoken(name: str) -> TokenCounter:
    """Return the counter for the encoding, or for the model, that `tiktoken` knows as *name*; no I/O."""
    if find_spec("tiktoken") is None:
        raise InvalidInput("token_counter", f"is {shown(name)}, which needs tiktoken; `pip install tiktoken` gets it")
    import tiktoken  # here: it is optional

    if name == "tiktoken":
        return _by_encoding(DEFAULT_ENCODING)
    if name in tiktoken.list_encoding_names():
        return _by_encoding(name)
    try:
        return _by_encoding(tiktoken.encoding_name_for_model(name))
    except KeyError:
        known = ", ".join(tiktoken.list_encoding_names())
        problem = f"is {shown(name)}, neither a model that tiktoken knows nor one of its encodings: {known}"
    raise InvalidInput("token_counter", problem)


def _by_encoding(encoding: str) -> TokenCounter:
    def count(text: str) -> int:
        return _loaded(encoding)(text)

    return count


@cache
def _loaded(name: str) -> TokenCounter:
    """Return what counts by an encoding of `tiktoken`, whose vocabulary it may have to download once; else estimate."""
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(name)
    except (OSError, ValueError) as error:  # there is no network, or something else came from it
        logger.warning("tiktoken has no vocabulary for %s (%s); tokens are estimated", name, type(error).__name__)
        return estimated_tokens

    def count(text: str) -> int:
        return len(encoding.encode(text, disallowed_special=()))

    return count


def counted(text: str, token_counter: TokenCounter) -> int:
    """Count the tokens of *text* with the application's function.

    Where that fails, as tokenizers do at their own special tokens, or says what is no number of tokens, they are
    estimated: no message is lost for it.
    """
    try:
        tokens: object = token_counter(text)
    except Exception as error:  # whatever the application's function raises; its words may be the text's
        logger.warning("the token counter failed with %s; the tokens are estimated", type(error).__name__)
        return estimated_tokens(text)
    if type(tokens) is int and 0 <= tokens <= checks.LARGEST_TOKEN_COUNT:  # by far the most
        return tokens
    return _whole_number(tokens, text)


def _whole_number(tokens: object, text: str) -> int:
    """Return *tokens* as a number of tokens of *text*, or an estimate where it is none."""
    if isinstance(tokens, SupportsIndex) and 0 <= index(tokens) <= checks.LARGEST_TOKEN_COUNT:
        return index(tokens)
    if inspect.iscoroutine(tokens):
        tokens.close()  # which would else warn that nobody awaits it
    kind = type(tokens).__name__
    logger.warning("the token counter returned a %s that is no number of tokens; they are estimated", kind)
    return estimated_tokens(text)
