"""Files behind addresses such as s3://bucket/cat.jpg, read by fsspec where the package of the service is installed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from aireal.core.errors import ImageError, first_line
from aireal.core.imagefile import MAX_BYTES, read_bytes

# protocol → the package that reads it. No others: a table of paths may come from strangers, and fsspec also opens
# web pages, other machines and chains of addresses.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub", "abfs": "adlfs", "file": "", "memory": ""}
WAITS = (1, 4)  # seconds before the second and the third attempt


def is_address(text: str) -> bool:
    """Whether a text is an address and no local path."""
    return "://" in text


def file_system(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it.

    Raises:
        ValueError: the protocol is none of `PACKAGES`, its package is missing, or the service refuses.
    """
    import fsspec

    protocol = address.partition("://")[0]
    if protocol not in PACKAGES or "::" in address:
        known = ", ".join(f"{name}://" for name in PACKAGES if name != "memory")
        raise ValueError(f"{address} is no address that is read here ({known}); download the pictures first")
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError:
        package = PACKAGES[protocol]
        raise ValueError(
            f"{protocol}:// is read by the package {package}, which is missing: pip install {package}"
        ) from None
    except Exception as error:  # each service has its own
        raise ValueError(f"{address} cannot be opened ({first_line(error)}); check address and login") from None


def find_files(address: str) -> Iterator[str]:
    """The address itself if it is a file, else all files below it, sorted.

    Raises:
        ValueError: there is nothing, or it cannot be listed.
    """
    system, path = file_system(address)
    try:
        names = [path] if system.isfile(path) else sorted(system.find(path))
    except Exception as error:
        raise ValueError(f"{address} cannot be listed ({first_line(error)}); check address and login") from None
    if not names:
        raise ValueError(f"{address}: there is no such file or folder; check the address")
    return (system.unstrip_protocol(name) for name in names)


def read_address(address: str, offset: int = 0, size: int | None = None) -> bytes:
    """The bytes of a file behind an address, or `size` of them from `offset` on; a lost connection is tried again.

    Raises:
        ImageError: there is no such file, it is larger than `MAX_BYTES`, or it cannot be read.
    """
    try:
        system, path = file_system(address)
    except ValueError as error:
        raise ImageError(str(error)) from None
    if address.startswith("file://") and size is None:
        return read_bytes(path)
    waits = iter(() if address.startswith(("file://", "memory://")) else WAITS)
    while True:
        try:
            return system.cat_file(path, offset, offset + size) if size is not None else _whole(system, path)
        except ImageError:
            raise
        except FileNotFoundError:
            raise ImageError("the file does not exist; check the address") from None
        except Exception as error:  # each service has its own
            wait = next(waits, None)
            if wait is None:
                raise ImageError(f"the file cannot be read ({first_line(error)}); check address and login") from None
            time.sleep(wait)


def _whole(system: Any, path: str) -> bytes:
    if (size := system.size(path)) and size > MAX_BYTES:
        raise ImageError(f"the file has {size / 2**30:.0f} GB, more than a picture; check what it is")
    return system.cat_file(path)
