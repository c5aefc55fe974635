"""The errors of zep-python 1.5."""

ResponseData = dict[str, int | str]


class ZepClientError(Exception):
    """Any error of the client, with what the server said of it."""

    def __init__(self, message: str, response_data: ResponseData | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.response_data = response_data

    def __str__(self) -> str:
        return f"{self.message}: {self.response_data}"


class APIError(ZepClientError):
    """The server refuses, or does not answer."""


class AuthError(ZepClientError):
    """The token is missing, or no good."""


class NotFoundError(ZepClientError):
    """What was asked for is not there."""
