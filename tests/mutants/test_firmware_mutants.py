"""The firmware's own tests notice when one of its protections is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.bridge import SOURCES

FRAME, BRIDGE = "src/frame.c", "src/bridge.c"
MUTANTS = {
    "the checksum is not compared": (FRAME, "== told ? length : 0", "== told ? length : length"),
    "a block may end beyond the end": (FRAME, "if (code - 1 > count - at)", "if (0)"),
    "no leading zero": (FRAME, "    wire[length++] = 0; /* ends", "    /* ends"),
    "a frame may have any length": (BRIDGE, "if (bridge->received_count < sizeof bridge->received)", "if (1)"),
    "a lease is a millisecond longer": (BRIDGE, "[i] >= bridge->lease_ms[i]", "[i] > bridge->lease_ms[i]"),
    "a lease ends and drives on": (BRIDGE, "            bridge->driven &= (uint8_t)~bit;\n", ""),
    "uptimes are compared as they are": (
        BRIDGE,
        "bridge->now_ms - bridge->lease_start_ms[i] >= bridge->lease_ms[i]",
        "bridge->now_ms >= bridge->lease_start_ms[i] + bridge->lease_ms[i]",
    ),
    "one lease for all outputs": (
        BRIDGE,
        "if (mask & 1u << i) {\n            bridge->lease_start",
        "if (mask) {\n            bridge->lease_start",
    ),
    "reading renews a lease": (
        BRIDGE,
        "    case BRIDGE_READ:\n",
        "    case BRIDGE_READ:\n        bridge->lease_start_ms[0] = bridge->now_ms;\n",
    ),
    "any version drives": (BRIDGE, "version != BRIDGE_PROTOCOL", "version == 0"),
    "outputs that are not there": (BRIDGE, "~mask_of(bridge->board.output_count)", "~mask_of(8)"),
    "a lease of more than a minute": (BRIDGE, " || lease_ms > BRIDGE_LEASE_MAX_MS", ""),
    "what bounces is taken": (BRIDGE, "raw_since_ms[i] >= BRIDGE_DEBOUNCE_MS", "raw_since_ms[i] >= 1"),
    "a contact that chatters is known": (BRIDGE, "bridge->known &= (uint8_t)~bit;", ""),
    "it answers before its contacts have settled": (BRIDGE, "bridge->is_starting = 1;", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_noticed(name: str, tmp_path: Path) -> None:
    file, before, after = MUTANTS[name]
    copy = tmp_path / "firmware"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("build"))
    source = (copy / file).read_text()
    assert source.count(before) == 1
    (copy / file).write_text(source.replace(before, after))
    subprocess.run(["make", "-s", "-C", str(copy), "build/test-bridge"], check=True)  # noqa: S607
    program = copy / "build" / "test-bridge"
    runs = (
        subprocess.run([program, *words], cwd=copy, capture_output=True, check=False)
        for words in (["vectors"], ["noise", "1"])
    )
    assert any(run.returncode != 0 for run in runs)
