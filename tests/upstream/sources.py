"""A framework's own tests, fetched with pip for as long as they run, with something of ours in place of its own."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


class NotAvailable(Exception):
    """The sources cannot be had here."""


def fetched(distribution: str, directory: Path) -> Path:
    """Return a directory with the tests of the version of *distribution* that is installed."""
    wanted = f"{distribution}=={version(distribution)}"
    pip("download", "--no-binary", distribution, "--no-deps", "--dest", str(directory), wanted)
    (archive,) = directory.glob(f"{distribution.replace('-', '_')}-*.tar.gz")
    with tarfile.open(archive) as files:
        root = files.getnames()[0].split("/")[0]
        tests = [member for member in files.getmembers() if member.name.startswith(f"{root}/tests/")]
        files.extractall(directory, tests, filter="data")
    return directory / root


def pip(*arguments: str) -> None:
    """Run pip with *arguments*."""
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotAvailable(f"pip {arguments[0]} failed:\n{done.stderr}")


def ran(
    sources: Path, plugin: str, tests: Iterable[str], left_out: Iterable[str] = (), *options: str
) -> subprocess.CompletedProcess[str]:
    """Run *tests* of *sources* with our *plugin*, but for those that are *left_out*, by name or by `file::name`."""
    settings = ("addopts=", "asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function", "filterwarnings=")
    overrides = [part for setting in settings for part in ("-o", setting)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), str(REPOSITORY), os.environ.get("PYTHONPATH")))),
        "ZEP_LEFT_OUT": " ".join(left_out),
    }
    arguments = ["-q", "-p", plugin, "-p", "left_out", "-p", "no:cacheprovider", *overrides, *options, *tests]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=sources, env=environment, stdout=subprocess.PIPE, text=True
    )


def counts(done: subprocess.CompletedProcess[str]) -> Mapping[str, int]:
    """Return how many tests passed, failed and so on, by the last line of pytest."""
    last = done.stdout.strip().splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
