"""The files of the page: whole, from where they should be, and nothing else."""

import gzip
import hashlib
import json
import re

import pytest

from hems.web.assets import CONTENT_TYPES, STATIC, load_assets
from tests.support.web import Web, raw

VENDOR = STATIC / "vendor"
LOCK = json.loads((VENDOR / "vendor.lock.json").read_text())
OWN = sorted(path for path in STATIC.glob("*") if path.suffix in CONTENT_TYPES)
PERMISSIVE = {"MIT", "ISC", "Apache-2.0"}


def sha256(name: str) -> str:
    return hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()


def test_vendored_files_are_the_ones_in_the_lock() -> None:
    present = {path.name for path in VENDOR.iterdir() if path.is_file()} - {"vendor.lock.json"}
    assert present == set(LOCK["files"])
    assert {name: sha256(name) for name in LOCK["files"]} == LOCK["files"]


def test_every_vendored_package_has_its_version_and_a_permissive_licence() -> None:
    for package in LOCK["packages"]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["licence"] in PERMISSIVE
        assert package["integrity"].startswith("sha512-")
        assert sha256(package["licence_file"]) == package["licence_sha256"]
    names = {package["licence_file"] for package in LOCK["packages"]}
    assert names == {f"licences/{path.name}" for path in (VENDOR / "licences").iterdir()}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_refers_to_nothing_outside_its_own_folder(path: object) -> None:
    assert hasattr(path, "read_text")
    text = path.read_text()
    urls = re.findall(r"""(?:src|href|url|from|import)\s*[=(]?\s*["'(]([^"')]+)""", text)
    assert not [url for url in urls if url.startswith("/") or "//" in url]
    if path.suffix != ".svg":  # type: ignore[attr-defined]
        assert "http://" not in text
        assert "https://" not in text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


async def test_files_are_compressed_and_kept_for_ever_under_their_version(web: Web) -> None:
    assets = load_assets()
    for name, asset in assets.files.items():
        async with web.http.get(f"/static/{assets.version}/{name}") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Type"] == asset.content_type
            assert await answer.read() == asset.body == gzip.decompress(asset.gzipped)
    async with web.http.get("/", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_another_version_is_not_there(web: Web) -> None:
    async with web.http.get("/static/000000000000/app.mjs") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "name",
    [
        "../server.py", "..%2fserver.py", "%2e%2e/server.py", "....//server.py", "vendor/../../server.py",
        "/etc/passwd",
        "vendor/vendor.lock.json", "vendor/licences/htm.txt", "index.html", "vendor", "vendor/", "app.mjs.gz",
        "app.mjs%00.css", "..\\server.py", "%252e%252e/server.py", "app.mjs/", "./app.mjs%2f..%2fstyle.cs",
    ],
)  # fmt: skip
async def test_only_what_is_in_the_manifest_is_served(web: Web, name: str) -> None:
    version = load_assets().version
    request = f"GET /static/{version}/{name} HTTP/1.1\r\nHost: localhost:{web.port}\r\nConnection: close\r\n\r\n"
    status, _, _ = await raw(web.port, request.encode())
    assert status == 404
