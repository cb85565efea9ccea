"""Takes out of a server's archive what is kept: its libraries and some plugins.

Trino's archive names a jar that several plugins share once, and links the others to it. A link may name a file of a
plugin that is not kept; so a first pass over the names finds which files are wanted, also for the sake of a link.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath

from aerospike_magic.errors import EngineServerError

OnBytes = Callable[[int], None]


def unpack_server(archive: Path, target: Path, plugins: Collection[str], on_bytes: OnBytes) -> None:
    """Unpack the libraries and the plugins that are named.

    Args:
        archive: a tar.gz with one folder, which has `lib` and `plugin`.
        target: an existing folder, which then has `lib` and `plugin`.
        plugins: the plugins' folders.
        on_bytes: is told how many bytes of the archive have been read, out of twice its size.

    Raises:
        EngineServerError: the archive is not what it should be.
    """
    n_bytes = archive.stat().st_size
    try:
        places = _plan(archive, plugins, on_bytes)
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as members:
            for member in members:
                on_bytes(n_bytes + file.tell())
                if member.name in places and member.isfile():
                    _write(members, member, [target / place for place in places[member.name]])
    except (tarfile.TarError, EOFError, OSError) as error:
        raise EngineServerError(f"{archive.name} cannot be unpacked: {error}") from None


def _plan(archive: Path, plugins: Collection[str], on_bytes: OnBytes) -> dict[str, list[PurePosixPath]]:
    """Return the files of the archive that are kept, each with the places where it goes."""
    places: dict[str, list[PurePosixPath]] = {}
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as members:
        for member in members:
            on_bytes(file.tell())
            place = _place(member.name, plugins)
            if place is not None and (member.isfile() or member.islnk()):
                places.setdefault(member.linkname if member.islnk() else member.name, []).append(place)
    return places


def unpack_plugin(archive: Path, target: Path, replaced: Collection[str] = ()) -> None:
    """Unpack the jars of a plugin's zip into a folder, but for those whose names, without version, are replaced."""
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            name = PurePosixPath(member.filename).name
            found = re.fullmatch(r"(.+?)-\d.*\.jar", name)
            if found is not None and found[1] not in replaced:
                with members.open(member) as source, (target / name).open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)


def _place(name: str, plugins: Collection[str]) -> PurePosixPath | None:
    """Return where a member goes, None if it is not kept. No name leads out of the target."""
    parts = PurePosixPath(name).parts[1:]
    if ".." in parts or len(parts) < 2:
        return None
    if parts[0] == "lib" or (parts[0] == "plugin" and parts[1] in plugins):
        return PurePosixPath(*parts)
    return None


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, places: Sequence[Path]) -> None:
    """Write a file to its first place, and give it the other names."""
    source = members.extractfile(member)
    assert source is not None
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
    with source, places[0].open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    for place in places[1:]:
        try:
            place.hardlink_to(places[0])
        except OSError:  # a disk without such names
            shutil.copyfile(places[0], place)
