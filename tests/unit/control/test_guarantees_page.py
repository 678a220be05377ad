"""docs/guarantees.md links each promise to a test; a link to a test that is not there would be a lie."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_test_that_the_page_names_is_there() -> None:
    file, missing = "", []
    links = re.findall(r"`(tests/[\w/]+\.py)?(?:::(test_\w+))?`", (ROOT / "docs" / "guarantees.md").read_text())
    links = [link for link in links if any(link)]
    assert len(links) > 20
    for named, test in links:
        file = named or file
        path = ROOT / file
        if not path.is_file() or (test and f"def {test}(" not in path.read_text()):
            missing.append(f"{file}::{test}")
    assert not missing
