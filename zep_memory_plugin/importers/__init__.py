"""What people leave behind: the conversations that other libraries have kept, as the lines of an export.

`SessionManager.import_memory` reads what each function here returns, a thousand lines at a time, so that memory is
needed for no more than that. Ids come from what the other library has: to import twice doubles nothing, and what was
said there since comes along. Nothing is written to where it comes from.

Here: tables and files of others. Not here: what a message of theirs is here, which their adapter knows, and needs their
library for; how lines are stored, which is `transfer`'s.

```
lines      records made into lines;  tables   rows of others, one by one
langchain  llama_index  openai_agents  chatgpt   one module for each
```
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from .lines import Lines

if TYPE_CHECKING:
    from .chatgpt import from_chatgpt
    from .langchain import from_langchain
    from .llama_index import from_llama_index, from_llama_index_json
    from .openai_agents import from_openai_agents

__all__ = ["Lines", "from_chatgpt", "from_langchain", "from_llama_index", "from_llama_index_json", "from_openai_agents"]


def __getattr__(name: str) -> Callable[..., Lines]:
    """Return a function of the module that has it, which needs a library that may not be installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{name.removeprefix('from_').removesuffix('_json')}", __name__)
    function: Callable[..., Lines] = getattr(module, name)
    return function
