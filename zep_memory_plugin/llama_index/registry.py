"""Managers by name, so that what LlamaIndex serialises holds a name instead of a database.

LlamaIndex turns a memory into a dictionary and back between two runs of an agent, when a context is saved, and when an
object is pickled. A manager cannot go along, so its name does.
"""

from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import BaseComponent
from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from ..context import user_of
from ..errors import InvalidInput, NotFound, shown
from ..manager import SessionManager, manager_of
from ..models import Message
from .messages import to_rows

if TYPE_CHECKING:
    from ..types import Takes

DEFAULT_NAME = "default"
"""The name of the manager that a memory or store uses when it is given none."""

_registered: dict[str, SessionManager] = {}
_unregistered: WeakValueDictionary[str, SessionManager] = WeakValueDictionary()
_names: WeakKeyDictionary[SessionManager, str] = WeakKeyDictionary()


class ManagerNotRegistered(NotFound):
    """No manager of this name is registered in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"no manager is registered as {shown(name)}; call register_manager with a name of your own before the "
            "memory or store is made, and again with that name in the process that restores it"
        )


def register_manager(name: str, manager: SessionManager) -> SessionManager:
    """Give *manager* a name under which this process finds it again, and return it.

    The registry keeps the manager alive, as it is the application's for good; a name given twice is the latest one's.
    Register under "default" what memories and stores without a manager are to use.
    """
    if not isinstance(name, str) or not name:
        raise InvalidInput("name", f"is {shown(name)}; allowed is any text but the empty one")
    _registered[name] = manager_of(manager)
    _names[manager] = name
    return manager


def unregister_manager(name: str) -> None:
    """Forget the manager of this name.

    Raises:
        ManagerNotRegistered: there is none.
    """
    if _registered.pop(name, None) is None:
        raise ManagerNotRegistered(name)


def registered_manager(name: str = DEFAULT_NAME) -> SessionManager:
    """Return the manager of this name.

    Raises:
        ManagerNotRegistered: there is none.
    """
    manager = _registered.get(name) or _unregistered.get(name)
    if manager is None:
        raise ManagerNotRegistered(name)
    return manager


def name_of(manager: SessionManager) -> str:
    """Return the name of *manager*; one that has none gets a name that holds in this process, while it lives."""
    name = _names.get(manager)
    if name is None or (_registered.get(name) or _unregistered.get(name)) is not manager:
        name = f"unregistered-{uuid4()}"
        _names[manager] = name
        _unregistered[name] = manager
    return name


def named_manager(value: object) -> SessionManager:
    """Return *value*, or the manager that is registered under this name."""
    return registered_manager(value) if isinstance(value, str) else manager_of(value)


if TYPE_CHECKING:
    ManagerField = Takes[SessionManager | str, SessionManager]
else:
    ManagerField = Annotated[
        SessionManager,
        BeforeValidator(named_manager),
        PlainSerializer(name_of, return_type=str),
        WithJsonSchema({"type": "string"}),
    ]
    """A manager, or the name of one on the way in; its name on the way out."""

REGISTERED = cast("ManagerField", Field(default_factory=registered_manager))
"""Makes the manager of the default name the default of a field."""


class TakesManager:
    """A model that refuses what is no manager with an error of ours, which pydantic would wrap in one of its own."""

    def __init__(self, **fields: Any) -> None:
        if "manager" in fields:
            named_manager(fields["manager"])
        super().__init__(**fields)


class OnManager(TakesManager, BaseComponent):
    """What memory and stores have in common: they are of a manager, which is its name where they are serialised."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    manager: ManagerField = REGISTERED
    user_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, fields: object) -> object:
        """Refuse fields that there are not: pydantic would leave out what was meant to bound a window."""
        if isinstance(fields, dict) and (unknown := fields.keys() - cls._names_of_fields()):
            raise InvalidInput(", ".join(map(str, unknown)), f"is no option of {cls.__name__}")
        return fields

    @classmethod
    def _names_of_fields(cls) -> set[str]:
        return {"class_name", *cls.model_fields}

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in what is serialised."""
        return cls.__name__

    @property
    def _user(self) -> str | None:
        """The user of this object, else that of the surrounding `use_session`."""
        return user_of(self.user_id)

    def _rows(self, messages: list[ChatMessage]) -> list[Message]:
        return to_rows(messages, self.manager.token_counter)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)
