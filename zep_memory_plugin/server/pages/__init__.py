"""Conversations in a browser, under `/admin`: a small application of its own that the server mounts.

Here: HTML, made on the server of Jinja2's templates, and the forms of people. Not here: what is done, which is the
manager's. Without JavaScript everything works but what grows while it is looked at; with it, htmx, a file of the
package, asks for the parts of a page that come later.

```
gate       who comes in, and what a browser is told not to do;  entering   the form of who is not in yet
sessions   lists and transcripts;  users;  searching;  acting   what a form changes;  answering   pages and redirects
contents   what a message shows;  marks   the words of a search in a text;  plots   numbers as a picture
```
"""

from .app import create_pages

__all__ = ["create_pages"]
