"""The description of the API, as a page that loads and runs nothing from elsewhere, whose scripts could do all here."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answering import page

_NOT_SAID = "anything"


class Field(NamedTuple):
    """What a request may say: in its path, its query, or its body."""

    name: str
    where: str
    kind: str
    is_required: bool
    description: str


class Call(NamedTuple):
    """One thing that a client can ask for."""

    method: str
    path: str
    description: str
    fields: list[Field]
    answers: Mapping[str, str]


def calls_of(description: Mapping[str, Any]) -> list[Call]:
    """Return what an OpenAPI *description* describes."""
    return [
        Call(method.upper(), path, asked.get("description", ""), list(_fields(asked, description)), _answers(asked))
        for path, methods in description["paths"].items()
        for method, asked in methods.items()
    ]


def _fields(asked: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[Field]:
    for each in asked.get("parameters", ()):
        yield _field(each["name"], each["in"], each["schema"], each.get("required", False))
    body = asked.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    described = _referred(body, description)
    for name, schema in described.get("properties", {}).items():
        yield _field(name, "body", schema, name in described.get("required", ()))


def _field(name: str, where: str, schema: Mapping[str, Any], is_required: bool) -> Field:
    return Field(name, where, _kind(schema), is_required, schema.get("description", ""))


def _referred(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    referred: Mapping[str, Any] = description["components"]["schemas"][name] if name else schema
    return referred


def _kind(schema: Mapping[str, Any]) -> str:
    """Return what kind of value a *schema* asks for, in a word or a few."""
    if choices := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(_kind, choices)))
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return str(name)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", _NOT_SAID))


def _answers(asked: Mapping[str, Any]) -> Mapping[str, str]:
    return {status: answer.get("description", "") for status, answer in asked.get("responses", {}).items()}


async def show(request: Request) -> Response:
    """Show what clients can ask for."""
    return page(request, "api.html", calls=calls_of(request.app.state.describe()))


routes = [Route("/api", show)]
