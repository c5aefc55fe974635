"""All that an error holds, as a debugger or a reporter of errors may send it on."""

import traceback


def held_by(error: BaseException) -> str:
    """Return what *error* says and has, with all that it comes from: causes, and what was being handled then.

    Attributes too, such as `object` of a UnicodeEncodeError or `doc` of a JSONDecodeError, which no traceback prints.
    """
    held, waiting, seen = ["".join(traceback.format_exception(error))], [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        held += [repr(each), str(each), repr(each.args), *(_attribute(each, name) for name in dir(each))]
        waiting += [other for other in (each.__cause__, each.__context__, getattr(each, "orig", None)) if other]
    return "\n".join(held)


def _attribute(error: BaseException, name: str) -> str:
    return "" if name.startswith("__") else repr(getattr(error, name, None))
