"""What an operator chooses, and what is refused before anything listens."""

from datetime import timedelta

import pytest

from zep_memory_plugin import InvalidInput
from zep_memory_plugin.server import Settings, serve
from zep_memory_plugin.server.commands import main

SECRET = "a secret that nobody guesses, of 32 bytes and more"


def test_the_environment_names_settings_as_zep_does() -> None:
    settings = Settings.from_environment(
        {
            "ZEP_STORE_POSTGRES_DSN": "postgres://zep@db/zep",
            "ZEP_SERVER_HOST": "0.0.0.0",
            "ZEP_SERVER_PORT": "9000",
            "ZEP_SERVER_MAX_REQUEST_SIZE": "1000",
            "ZEP_AUTH_REQUIRED": "true",
            "ZEP_AUTH_SECRET": SECRET,
            "ZEP_MEMORY_MESSAGE_WINDOW": "6",
            "ZEP_DATA_PURGE_EVERY": "0",
            "ZEP_LLM_SERVICE": "openai",
        }
    )

    assert settings == Settings(
        database="postgres://zep@db/zep",
        host="0.0.0.0",
        port=9000,
        max_request_size=1000,
        secret=SECRET,
        message_window=6,
        purge_every=None,
    )


def test_nothing_in_the_environment_leaves_the_defaults() -> None:
    assert Settings.from_environment({"ZEP_SERVER_PORT": ""}) == Settings()
    assert Settings().purge_every == timedelta(minutes=60)


def test_tokens_that_are_switched_off_are_not_asked_for() -> None:
    assert Settings.from_environment({"ZEP_AUTH_REQUIRED": "false", "ZEP_AUTH_SECRET": SECRET}).secret is None


@pytest.mark.parametrize(
    "environment",
    [
        {"ZEP_SERVER_PORT": "http"},
        {"ZEP_AUTH_REQUIRED": "perhaps"},
        {"ZEP_AUTH_REQUIRED": "true"},
        {"ZEP_DATA_PURGE_EVERY": "1h"},
    ],
)
def test_a_name_with_a_value_that_makes_no_sense_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(environment))):
        Settings.from_environment(environment)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org"])
def test_nobody_listens_beyond_the_machine_without_a_token(host: str) -> None:
    with pytest.raises(InvalidInput, match="beyond this machine"):
        serve(Settings(host=host))

    Settings(host=host, secret=SECRET).check()
    Settings(host=host, anonymous=True).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_on_the_machine_itself_nobody_needs_a_token(host: str) -> None:
    Settings(host=host).check()


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(InvalidInput, match="secret is empty"):
        serve(Settings(secret=" "))


def test_workers_need_a_database_that_they_share() -> None:
    with pytest.raises(InvalidInput, match="workers"):
        serve(Settings(database="sqlite://", workers=2))


def test_a_secret_and_a_password_are_not_shown() -> None:
    settings = Settings(database="postgresql://zep:hidden@db/zep", secret="hidden")

    assert "hidden" not in repr(settings)


def test_the_command_says_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZEP_AUTH_SECRET", raising=False)

    with pytest.raises(SystemExit, match="beyond this machine"):
        main(["--host", "0.0.0.0"])
    with pytest.raises(SystemExit, match="ZEP_AUTH_SECRET is not set"):
        main(["--generate-token"])


def test_the_command_makes_secrets_and_tokens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--generate-secret"])
    secret = capsys.readouterr().out.strip()
    monkeypatch.setenv("ZEP_AUTH_SECRET", secret)
    main(["-g"])

    from zep_memory_plugin.server.tokens import problem_of

    assert len(secret) >= 32
    assert problem_of(capsys.readouterr().out.strip(), secret) is None
