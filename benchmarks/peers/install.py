"""Each peer in an environment of its own, outside the repository: their dependencies fit neither ours nor each other.

The environment of EMHASS also proves the optima, for it brings HiGHS along.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PEERS = {"emhass": "emhass==0.18.7", "flexmeasures": "flexmeasures==1.0.1"}
"""The versions that the published figures are of."""


def interpreter_of(folder: Path, peer: str) -> Path:
    return folder / peer / "bin" / "python"


def install(folder: Path) -> None:
    """Make what is missing; about 2.6 GB and a few minutes."""
    uv = shutil.which("uv")
    for peer, requirement in PEERS.items():
        python = interpreter_of(folder, peer)
        if not python.exists():
            environment = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
            subprocess.run([*environment, str(folder / peer)], check=True)
        pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        subprocess.run([*pip, requirement], check=True)
        print(f"{peer}: {requirement} in {folder / peer}")
