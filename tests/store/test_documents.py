"""Small documents by key."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.errors import BadInputError
from hems.domain.flex import HoldBlock
from hems.domain.override import ChargeNow
from hems.runtime.files import SystemFiles
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.crash_files import CrashFiles
from tests.support.stores import override

PLACE = "documents/overrides.json"


def opened(files: CrashFiles | SystemFiles, findings: Findings | None = None) -> Documents[ChargeNow]:
    return Documents.open(files, "overrides", kind=ChargeNow, findings=findings or Findings())


def test_what_was_put_is_there_after_a_restart(tmp_path: Path):
    documents = opened(SystemFiles(tmp_path))
    assert documents.put("a", override(1))
    assert documents.put("b", override(2))
    assert documents.put("a", override(3))
    assert documents.remove("b")
    assert documents.remove("never there")
    again = opened(SystemFiles(tmp_path))
    assert dict(again.all()) == {"a": override(3)}
    assert again.get("b") is None


def test_the_file_can_be_read_by_a_person(tmp_path: Path):
    opened(SystemFiles(tmp_path)).put("küche", override(1))
    found = json.loads((tmp_path / PLACE).read_text(encoding="utf-8"))
    assert found["schema"] == "hems/documents/overrides/1"
    assert found["generation"] == 1
    assert "küche" in (tmp_path / PLACE).read_text(encoding="utf-8")


def test_the_document_before_is_kept_beside_it():
    files = CrashFiles()
    documents = opened(files)
    documents.put("a", override(1))
    documents.put("a", override(2))
    files.write(PLACE, b"")
    findings = Findings()
    assert dict(opened(files, findings).all()) == {"a": override(1)}
    assert [each.text.split(";")[0] for each in findings.found] == [
        "cannot be used (Expecting value: line 1 column 1 (char 0))",
        "the document before it is used",
    ]
    assert opened(files).put("a", override(3))
    assert dict(opened(files).all()) == {"a": override(3)}


def test_putting_the_same_again_writes_nothing():
    files = CrashFiles()
    documents = opened(files)
    documents.put("a", override(1))
    before = files.operations
    assert documents.put("a", override(1))
    assert files.operations == before


def test_a_change_is_one_replacement():
    files = CrashFiles()
    documents = opened(files)
    documents.put("a", override(1))
    files.done.clear()
    documents.put("b", override(2))
    assert files.done == [f"write {PLACE}.new", f"sync_content {PLACE}.new", f"link {PLACE}.prev", f"rename {PLACE}"]


def test_a_number_that_is_none_is_refused_and_nothing_changes():
    """Pydantic writes NaN as it is and JSON has no word for it: the file would not be readable again."""
    files = CrashFiles()
    documents = Documents.open(files, "blocks", kind=HoldBlock, findings=Findings())
    before = files.operations
    with pytest.raises(BadInputError, match=r"blocks\.json: a: cannot be stored"):
        documents.put("a", HoldBlock(direction="up", power_w=float("nan"), duration_s=900))  # type: ignore[arg-type]
    assert files.operations == before
    assert documents.get("a") is None


def test_a_document_that_grows_too_large_is_refused_and_nothing_changes():
    documents = opened(CrashFiles())
    documents.put("a", override(1, padding=150_000))
    with pytest.raises(BadInputError, match="may have 200000; nothing was changed"):
        documents.put("b", override(2, padding=60_000))
    assert list(documents.all()) == ["a"]
    assert documents.put("c", override(3))


def test_a_value_of_another_version_is_left_out_and_stays_in_the_file():
    files = CrashFiles()
    Documents.open(files, "overrides", kind=dict, findings=Findings()).put("new", {"verb": "fly"})
    findings = Findings()
    documents = opened(files, findings)
    assert dict(documents.all()) == {}
    assert "documents/overrides.json: new: id: Field required" in findings.found[0].text
    documents.put("a", override(1))
    assert "fly" in (files.read(PLACE) or b"").decode()


def test_a_file_of_another_schema_is_set_aside():
    files = CrashFiles()
    Documents.open(files, "commitments", kind=ChargeNow, findings=Findings()).put("a", override(1))
    files.write(PLACE, files.read("documents/commitments.json") or b"")
    findings = Findings()
    assert dict(opened(files, findings).all()) == {}
    assert "it is hems/documents/commitments/1, not hems/documents/overrides/1" in findings.found[0].text
    assert "overrides.json.damaged-1" in files.names("documents")


def test_pieces_of_a_file_that_is_damaged_again_and_again_do_not_fill_the_disk():
    files = CrashFiles()
    for _ in range(20):
        files.write(PLACE, b"{")
        opened(files)
    assert len([name for name in files.names("documents") if "damaged" in name]) == 9


@given(
    texts=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5),
    last=st.tuples(st.text(max_size=5), st.text(max_size=20)),
)
def test_any_text_comes_back_as_it_was(texts: dict[str, str], last: tuple[str, str]):
    """Surrogates have no place in UTF-8 and are refused, not stored in part."""
    files = CrashFiles()
    documents = Documents.open(files, "texts", kind=str, findings=Findings())
    kept = {}
    for key, text in [*texts.items(), last]:
        try:
            documents.put(key, text)
        except BadInputError:
            continue
        kept[key] = text
    assert dict(Documents.open(files, "texts", kind=str, findings=Findings()).all()) == kept
