"""Files with a header and a checksum, which are replaced as a whole."""

import hashlib
import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

DIGEST_SIZE = hashlib.sha256().digest_size


class DamagedFileError(ValueError):
    """Error for a file that is of another kind, damaged or incomplete."""


def write_file(
    path: str | os.PathLike[str],
    magic: bytes,
    header: dict[str, Any],
    *data: bytes | memoryview,
) -> None:
    """Write a file, and replace the old one only when the new one is complete.

    The file contains the magic line, the header as one line of JSON, the data, and the
    SHA-256 digest of every byte before it.

    Parameters
    ----------
    path : path-like
        Path of the file. A symbolic link is followed.

    magic : bytes
        First line of the file, the name of its format.

    header : dict
        Plain values.

    *data : bytes-like
        Parts of the content after the header.

    Raises
    ------
    OSError
        If the file cannot be written. An old file is kept then.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ValueError(f"Expected the path of a regular file, got {str(path)!r}.")
    parts = [magic, b"\n", json.dumps(header).encode(), b"\n", *data]
    digest = hashlib.sha256()
    temporary = temporary_of(target, uuid.uuid4().hex)
    try:
        with open(temporary, "xb") as file:  # with the mode of any file of the user
            for part in parts:
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def temporary_of(path: Path, unique: str) -> Path:
    """Return the path of the new file, from which it is renamed to its own.

    It is in the same folder: a rename is atomic only inside one file system.
    """
    return path.parent / f".{path.name[:40]}.{unique}.tmp"


def read_file(
    path: str | os.PathLike[str], magic: bytes
) -> tuple[dict[str, Any], memoryview]:
    """Read a file of `write_file`.

    Parameters
    ----------
    path : path-like
        Path of the file.

    magic : bytes
        First line that the file must have.

    Returns
    -------
    header, data : dict, memoryview
        The arguments of `write_file`.

    Raises
    ------
    DamagedFileError
        If the first line differs, or if the checksum does not match.
    OSError
        If the file cannot be read.
    """
    content = Path(path).read_bytes()
    if not content.startswith(magic + b"\n"):
        raise DamagedFileError(f"its first line is not {magic.decode()!r}")
    view = memoryview(content)
    body, digest = view[:-DIGEST_SIZE], view[-DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedFileError(
            "its checksum does not match: the file is damaged or incomplete"
        )
    start = len(magic) + 1
    end = content.find(b"\n", start)
    try:
        header = json.loads(content[start:end])
        assert isinstance(header, dict)
    except (AssertionError, ValueError, RecursionError) as error:
        raise DamagedFileError("its header is not valid JSON") from error
    return header, body[end + 1 :]
