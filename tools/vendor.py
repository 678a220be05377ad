"""Rebuild the vendored libraries of the web page from their npm tarballs: ``python tools/vendor.py``.

Needs npm and a network, once per change of a version; the product and its tests need neither. npm checks each tarball
against the integrity that it writes into its lock file, which ends up in ``vendor.lock.json`` beside the SHA-256 of
what was made from it. esbuild only joins the modules of the kit into one file (one request instead of six) and drops
the icons that nobody uses; it is not part of what is served.
"""

import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger("vendor")

VENDOR = Path(__file__).resolve().parents[1] / "hems" / "web" / "static" / "vendor"
VERSIONS = {
    "preact": "11.2.0",
    "@preact/signals": "2.11.4",
    "@preact/signals-core": "1.14.5",
    "htm": "3.1.1",
    "lucide": "1.65.0",
    "uplot": "1.6.32",
}
BUNDLER = {"esbuild": "0.28.2"}
KIT = """
import { h } from "preact";
import htm from "htm";
export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useRef, useState, useMemo } from "preact/hooks";
export { signal, computed, effect, batch } from "@preact/signals";
export const html = htm.bind(h);
import { BatteryMedium, Car, ChartColumn, Flame, House, LayoutDashboard, Sun, SunMoon, UtilityPole } from "lucide";
export const icons = {
  battery: BatteryMedium, charger: Car, plan: ChartColumn, heat_pump: Flame, home: House, now: LayoutDashboard,
  pv: Sun, theme: SunMoon, grid_meter: UtilityPole,
};
"""


def main() -> None:
    """Fetch, join, copy, and write the lock."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        integrity = install(folder)
        shutil.rmtree(VENDOR, ignore_errors=True)
        (VENDOR / "licences").mkdir(parents=True)
        files = build(folder)
        packages = [describe(folder, package, integrity[package]) for package in VERSIONS]
    lock = {"bundler": BUNDLER, "packages": packages, "files": {name: sha256(VENDOR / name) for name in files}}
    (VENDOR / "vendor.lock.json").write_text(json.dumps(lock, indent=2) + "\n")
    for file in files:
        log.info("%-16s %7d bytes", file, (VENDOR / file).stat().st_size)


def install(folder: Path) -> Mapping[str, str]:
    """Unpack exactly the wanted versions, run none of their scripts; the integrity of each tarball by package."""
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": VERSIONS | BUNDLER}))
    npm = shutil.which("npm") or "npm"
    subprocess.run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)  # noqa: S603
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    return {package: lock[f"node_modules/{package}"]["integrity"] for package in VERSIONS}


def build(folder: Path) -> tuple[str, ...]:
    """The files that the page loads."""
    (folder / "kit.mjs").write_text(KIT)
    esbuild = folder / "node_modules" / ".bin" / "esbuild"
    options = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=none"]
    subprocess.run([esbuild, "kit.mjs", *options, f"--outfile={VENDOR / 'ui-kit.mjs'}"], cwd=folder, check=True)  # noqa: S603
    plot = folder / "node_modules" / "uplot" / "dist"
    subprocess.run(  # noqa: S603
        [esbuild, plot / "uPlot.esm.js", *options, f"--outfile={VENDOR / 'uplot.mjs'}"], cwd=folder, check=True
    )
    shutil.copyfile(plot / "uPlot.min.css", VENDOR / "uplot.css")
    return ("ui-kit.mjs", "uplot.mjs", "uplot.css")


def describe(folder: Path, package: str, integrity: str) -> dict[str, str]:
    """Name, version, integrity and licence of a package; its licence text is copied."""
    source = folder / "node_modules" / package
    about = json.loads((source / "package.json").read_text())
    text = next(path for path in sorted(source.iterdir()) if path.name.lower().startswith("license"))
    licence = f"licences/{package.removeprefix('@').replace('/', '-')}.txt"
    shutil.copyfile(text, VENDOR / licence)
    return {
        "name": package,
        "version": about["version"],
        "licence": about["license"],
        "licence_file": licence,
        "licence_sha256": sha256(VENDOR / licence),
        "integrity": integrity,
    }


def sha256(path: Path) -> str:
    """Of a file's content, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
