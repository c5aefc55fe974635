"""`zep-memory serve` hands its options on to the server."""

from tests.cli.conftest import Command


def test_its_options_are_the_servers_own(command: Command) -> None:
    shown = command("serve", "--help")

    assert shown.code == 0
    assert "--max-request-size" in shown.out


def test_nobody_listens_beyond_the_machine_without_a_token(command: Command) -> None:
    refused = command("serve", "--host", "0.0.0.0", "--database", "sqlite://")

    assert refused.code == 2
    assert refused.err.startswith("error: host is '0.0.0.0', beyond this machine")
