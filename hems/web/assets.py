"""The files of the page, read once and kept in memory: what is not in the manifest does not exist.

There is no path to traverse. The name of the folder is the digest of all contents, so that browsers may keep files for
ever and never mix two versions.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""Other files (licence texts, the lock of the vendored libraries) are not served."""
VERSION_MARK = b"@version@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file, plain and compressed."""

    body: bytes
    gzipped: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Everything that the page consists of."""

    version: str
    index: Asset
    files: Mapping[str, Asset]
    """By path relative to the folder of the version."""


def load_assets(folder: Path = STATIC) -> Assets:
    """Read and compress the page (some 20 files, 30 ms)."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in CONTENT_TYPES)
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    version = digest.hexdigest()[:12]
    index = contents.pop(INDEX).replace(VERSION_MARK, version.encode())
    files = {name: _asset(name, content) for name, content in contents.items()}
    return Assets(version=version, index=_asset(INDEX, index), files=files)


def _asset(name: str, content: bytes) -> Asset:
    gzipped = gzip.compress(content, compresslevel=9, mtime=0)
    return Asset(body=content, gzipped=gzipped, content_type=CONTENT_TYPES[Path(name).suffix])


def serve(request: web.Request, asset: Asset, *, immutable: bool) -> web.Response:
    """An asset as an answer; immutable ones are kept by the browser for a year, others are asked for each time."""
    headers = {
        "Content-Type": asset.content_type,
        "Cache-Control": "public, max-age=31536000, immutable" if immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=asset.gzipped, headers=headers | {"Content-Encoding": "gzip"})
    return web.Response(body=asset.body, headers=headers)
