"""A file before it is read: its sha256, what its first bytes say it is, unpacked, and what characters it holds."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sources import disk
from sources.errors import ContractError
from sources.raw_files import MOST_LETTERS

_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel sheet",
    b"\xd0\xcf\x11\xe0": "an old Excel sheet",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\0\0\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK = 4 * 1024 * 1024
_ORDINARY = bytes(range(32, 127)) + b"\t\r\n"
MOST_UNPACKED = 200
"""A log shrinks to a tenth or a thirtieth; a file that grows more than this many times is an attack."""
_ALWAYS_ALLOWED = 256 * 1024 * 1024


@dataclass(frozen=True)
class Scan:
    """What a text file holds: physical lines, delimiters, quotes, and anything beyond printable ASCII."""

    lines: int
    has_quotes: bool
    has_lone_returns: bool
    is_plain: bool
    ends_with_break: bool
    delimiters: int


def sha256_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def looks_like(path: Path) -> str:
    """What the first bytes of a file say it is, such as "text", "a Parquet file" or "a web page"."""
    with path.open("rb") as file:
        head = file.read(512)
    found = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "text")
    if found == "text" and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return "a web page"
    zeros = head.count(0)
    if found == "text" and zeros > len(head) // 3:
        return "UTF-32 text" if zeros > len(head) * 2 // 3 else "UTF-16 text"
    if found == "text" and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:2] in {b'{"', b"[{"}:
        return "JSON"
    return found


def unpacked(path: Path, name: str, folder: Path) -> Path:
    """``path`` itself, or the file it unpacks to in ``folder`` where it is gzip or zstd.

    Raises:
        ContractError: it holds nothing, is cut off or broken, or grows beyond measure.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise ContractError(f"{name}: empty_file, it holds 0 bytes. Export it again.")
    if not magic.startswith((_GZIP, _ZSTD)):
        return path
    most = max(_ALWAYS_ALLOWED, MOST_UNPACKED * path.stat().st_size)
    target, written = folder / "unpacked", 0
    try:
        with target.open("wb") as sink:
            for chunk in _gunzip(path) if magic.startswith(_GZIP) else _unzstd(path):
                written += len(chunk)
                if written > most:
                    raise ContractError(
                        f"{name}: too_large, it unpacks to more than {most >> 20:,} MB, {MOST_UNPACKED} times its size "
                        "and more. Export it again, in parts."
                    )
                sink.write(chunk)
    except (zlib.error, EOFError, OSError, pa.ArrowException) as error:
        if disk.number_of(error):
            raise  # the file is not to blame
        raise ContractError(f"{name}: truncated or broken, it cannot be unpacked ({error}). Export it again.") from None
    if not written:
        raise ContractError(f"{name}: empty_file, it unpacks to 0 bytes. Export it again.")
    return target


def _gunzip(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        reader = zlib.decompressobj(wbits=31)
        while packed := file.read(_CHUNK):
            while packed:
                yield reader.decompress(packed, _CHUNK)
                packed = reader.unconsumed_tail
                if reader.eof:
                    packed = reader.unused_data.lstrip(b"\0")
                    if packed:  # several archives in one file are allowed
                        reader = zlib.decompressobj(wbits=31)
        if not reader.eof:
            raise EOFError("its end is missing")


def _unzstd(path: Path) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def scan(path: Path, name: str, delimiter: str = ",") -> Scan:
    """Read the bytes of a text file once.

    Raises:
        ContractError: a line is longer than any log's.
    """
    separator = delimiter.encode("utf-8", "replace")
    lines = since_break = delimiters = 0
    quotes = lone = foreign = False
    tail = b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            breaks = chunk.count(b"\n")
            lines += breaks
            delimiters += chunk.count(separator)
            returns = b"\r" in chunk
            if breaks or returns:
                since_break = len(chunk) - 1 - max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            else:
                since_break += len(chunk)
            if since_break > MOST_LETTERS:
                raise ContractError(
                    f"{name}: too_large, line {lines + 1} has more than {MOST_LETTERS >> 20} MB. Export it again."
                )
            quotes = quotes or b'"' in chunk
            if returns and not lone:
                seam = tail + chunk
                lone = seam.count(b"\r") != seam.count(b"\r\n") + seam.endswith(b"\r")
            foreign = foreign or bool(chunk.translate(None, _ORDINARY))
            tail = chunk[-2:]
    return Scan(
        lines + (not tail.endswith(b"\n")), quotes, lone, not foreign, tail.endswith((b"\n", b"\r")), delimiters
    )
