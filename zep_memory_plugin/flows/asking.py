"""How a function or a model of the application is asked about a conversation."""

from collections.abc import Callable
from typing import Any

from ..errors import InvalidInput
from ..models import Message, Summarizer, Summary, Titler
from ..types import Answer, LangChainModel, LlamaIndexModel
from ..units import Ask
from . import prompts

AsksForSummary = Callable[[Summary | None, list[Message]], Ask]
AsksForTitle = Callable[[list[Message]], Ask]


def summarizer_of(summarizer: Summarizer | None) -> AsksForSummary | None:
    """Return how *summarizer* is asked.

    Raises:
        InvalidInput: it is neither a model nor a function.
    """
    if summarizer is None:
        return None
    model = _model_of("summarizer", summarizer)
    if model is not None:
        return lambda previous, messages: model(prompts.of_summary(previous, messages))
    function = _function("summarizer", summarizer)
    return lambda previous, messages: Ask(function, (previous, messages))


def titler_of(titler: Titler | None) -> AsksForTitle | None:
    """Return how *titler* is asked.

    Raises:
        InvalidInput: it is neither a model nor a function.
    """
    if titler is None:
        return None
    model = _model_of("titler", titler)
    if model is not None:
        return lambda messages: model(prompts.of_title(messages))
    function = _function("titler", titler)
    return lambda messages: Ask(function, (messages,))


def _function(field: str, given: object) -> Callable[..., Any]:
    if callable(given):
        return given
    raise no_model(field, given, "a chat model")


def no_model(field: str, given: object, wanted: str) -> InvalidInput:
    """Return the error for what is *given* in the place of what is *wanted*, or a function."""
    kind = f"a class, {given.__name__}" if isinstance(given, type) else f"of type {type(given).__name__}"
    return InvalidInput(field, f"is {kind}; give {wanted} or a function")


def text_of(answer: Any) -> str:
    """Return the text of a model's *answer*; what a function answers is its text."""
    return str(answer.text) if isinstance(answer, Answer) else answer


def _model_of(field: str, given: object) -> Callable[[str], Ask] | None:
    """Return how a model of a framework is asked with a prompt, or None where *given* is none.

    The class of one has all of its methods, and is none.
    """
    if isinstance(given, type):
        raise no_model(field, given, "a chat model")
    if isinstance(given, LangChainModel):
        return lambda prompt: Ask(given.invoke, (prompt,), given.ainvoke)
    if isinstance(given, LlamaIndexModel):
        return lambda prompt: Ask(given.complete, (prompt,), given.acomplete)
    return None
