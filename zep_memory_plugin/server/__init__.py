"""The REST API of Zep's open-source server, over a `SessionManager`: its Python and TypeScript clients run against it.

Here: JSON in and out, and what only HTTP knows: tokens, status codes, the reserved key `system`, page numbers, limits.
Not here: what is done, which is the manager's; a route makes one call of it.

```
layers/    what every request passes: the version header and the log, paths, tokens, sizes
routes/    what is asked for: sessions, memory, messages, search, users
pages/     the same for people, in a browser: sessions, transcripts, users, search
bodies     what comes in;  answers   what goes out;  failures   what an error becomes
settings   what an operator chooses;  serving   the process that listens
```
"""

try:
    from .app import create_app
    from .serving import serve
    from .settings import Settings
    from .tokens import new_token
except ModuleNotFoundError as error:
    if error.name not in ("fastapi", "httptools", "jinja2", "jwt", "uvicorn"):
        raise
    raise ImportError(
        f"the server needs {error.name}; `pip install fastapi httptools jinja2 pyjwt uvicorn` gets it", name=error.name
    ) from error

__all__ = ["Settings", "create_app", "new_token", "serve"]
