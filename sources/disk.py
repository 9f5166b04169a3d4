"""Errors of the disk, not of a file: full, out of quota, read-only, access denied, file size limit."""

from __future__ import annotations

import errno
import re
import sqlite3

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_MESSAGES = {
    r"no space left|max_temp_directory_size|failed to offload": errno.ENOSPC,
    r"quota exceeded": errno.EDQUOT,
    r"read-only file system": errno.EROFS,
    r"file too large": errno.EFBIG,
    r"permission denied": errno.EACCES,
    r"could not write|could not fsync|could not truncate": errno.EIO,
}
"""Messages of libraries that give no number; the last where they give no reason."""
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


def number_of(error: BaseException) -> int | None:
    """The errno of ``error`` where the disk is at fault, else None."""
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in FULL | _DENIED else None
    library = type(error).__module__.partition(".")[0]
    if not isinstance(error, OSError) and library not in {"duckdb", "_duckdb", "pyarrow"}:
        return None
    message = str(error).lower()
    return next((number for words, number in _MESSAGES.items() if re.search(words, message)), None)
