"""Where passwords come from, how they are stored, and that no message repeats one."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hems.cli.secrets import list_secrets, set_secret
from hems.config import SecretFiles, load_house_file, read_secrets, write_secret
from hems.domain.errors import BadInputError
from tests.unit.config.good_site import GOOD

ROOT = Path(__file__).parents[3]
printable = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=40).filter(
    str.isprintable
)


@given(st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_.-]{1,20}\Z"), printable, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_set_is_read_again_and_no_other_can_read_it(tmp_path, secrets):
    path = tmp_path / "secrets.yaml"
    path.unlink(missing_ok=True)

    for name, value in secrets.items():
        write_secret(path, name, value)

    assert read_secrets(path) == secrets
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_wins_over_systemd_and_systemd_fills_the_gaps(tmp_path: Path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "wallbox").write_text("of systemd\n")
    (credentials / "broker").write_text("broker of systemd\n")
    write_secret(tmp_path / "secrets.yaml", "wallbox", "of the file")
    secrets = SecretFiles(tmp_path / "site.yaml", {"CREDENTIALS_DIRECTORY": str(credentials)})

    assert [secrets(name) for name in ("wallbox", "broker", "other", "../credentials/broker", "..")] == [
        "of the file",
        "broker of systemd",
        None,
        None,
        None,
    ]
    assert SecretFiles(tmp_path / "site.yaml", {})("broker") is None


def test_a_house_takes_the_secrets_beside_its_file(tmp_path: Path, caplog):
    site = tmp_path / "site.yaml"
    site.write_text(GOOD)
    for name in ("wallbox", "carport", "mqtt"):
        write_secret(tmp_path / "secrets.yaml", name, f"password of {name}")

    with caplog.at_level(logging.WARNING):
        house = load_house_file(site)

    assert getattr(house.wiring.connections["carport"], "password", None) == "password of carport"
    assert caplog.messages == []


def test_a_file_that_others_can_read_is_a_warning_with_the_command_that_ends_it(tmp_path: Path, caplog):
    path = tmp_path / "secrets.yaml"
    site = tmp_path / "site.yaml"
    site.write_text((ROOT / "config" / "examples" / "home_a.yaml").read_text())
    write_secret(path, "wallbox", "hunter2")
    path.chmod(0o644)

    with caplog.at_level(logging.WARNING):
        load_house_file(site)

    assert caplog.messages == [
        f"{path} can be read by others on this machine (mode 0644); run: chmod 600 {path}",
    ]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("wallbox: hunter2\nwallbox: hunter3\n", "secrets.yaml:2:1"),
        ("wallbox: [hunter2]\n", "secrets.yaml:1"),
        ("wallbox: hunter2: hunter3\n", "secrets.yaml:1:17"),
        ("- hunter2\n", "secrets.yaml:1:1"),
        ("hunter2\n", "secrets.yaml:1:1"),
        ('wallbox: "hunter2\n', "secrets.yaml:1:10"),
        ("wallbox: *hunter2\n", "secrets.yaml:1:10"),
        ("wallbox: !hunter2 x\n", "secrets.yaml:1:10"),
        ("wallbox: !secret hunter2\n", "secrets.yaml:1"),
        ("x" * 70_000 + "hunter2", "secrets.yaml: more than 64 KiB"),
    ],
)
def test_a_damaged_file_is_told_by_its_place_and_not_by_its_content(tmp_path: Path, content: str, place: str):
    (tmp_path / "secrets.yaml").write_text(content)

    with pytest.raises(BadInputError) as caught:
        SecretFiles(tmp_path / "site.yaml", {})("wallbox")

    assert place in str(caught.value)
    assert "hunter" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_of_comments_or_in_another_encoding_or_no_file_at_all(tmp_path: Path):
    path = tmp_path / "secrets.yaml"
    path.write_text("# none yet\n\n")
    assert read_secrets(path) == {}
    path.write_bytes("wallbox: häns".encode("latin-1"))
    with pytest.raises(BadInputError, match="not UTF-8"):
        read_secrets(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInputError, match="directory"):
        read_secrets(path)


@pytest.mark.parametrize(("name", "value"), [("wall box", "x"), ("", "x"), ("a", ""), ("a", "b\nc"), ("a", "x" * 201)])
def test_what_cannot_be_stored_changes_nothing(tmp_path: Path, name: str, value: str):
    path = tmp_path / "secrets.yaml"
    write_secret(path, "wallbox", "hunter2")
    before = path.read_bytes()

    with pytest.raises(BadInputError) as caught:
        write_secret(path, name, value)

    assert path.read_bytes() == before
    assert "x" * 20 not in str(caught.value)


def test_set_reads_standard_input_and_list_prints_names_only(tmp_path: Path, monkeypatch, capsys):
    site = tmp_path / "site.yaml"
    monkeypatch.setattr(sys, "stdin", io.StringIO("hunter2\n"))

    assert set_secret("wallbox", site=site) == 0
    assert list_secrets(site=site, as_json=False) == 0
    assert list_secrets(site=site, as_json=True) == 0

    told, names, document = capsys.readouterr().out.splitlines()
    assert told == f"wallbox is set in {tmp_path / 'secrets.yaml'}"
    assert names == "wallbox"
    assert json.loads(document) == {"file": str(tmp_path / "secrets.yaml"), "names": ["wallbox"]}
    assert read_secrets(tmp_path / "secrets.yaml") == {"wallbox": "hunter2"}


def test_list_without_a_file_says_so(tmp_path: Path, capsys):
    assert list_secrets(site=tmp_path / "site.yaml", as_json=False) == 0

    assert capsys.readouterr().out == f"no secret is set in {tmp_path / 'secrets.yaml'}\n"


@pytest.mark.parametrize(("again", "code"), [("hunter2", 0), ("hunter3", 1)])
def test_on_a_terminal_the_value_is_asked_for_twice_and_not_shown(tmp_path: Path, again: str, code: int):
    program = (
        "import sys; from pathlib import Path; from hems.cli.secrets import set_secret\n"
        "from hems.domain.errors import OperatingError\n"
        "try: set_secret('wallbox', site=Path(sys.argv[1]))\n"
        "except OperatingError as error: print(error); sys.exit(1)\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "site.yaml")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=ROOT,
    )
    os.close(theirs)
    seen = b""
    for prompt, answer in ((b"Value of wallbox: ", "hunter2"), (b"Once more: ", again)):
        while prompt not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, f"{answer}\n".encode())
    assert process.wait(timeout=20) == code
    os.close(ours)
    assert b"hunter" not in seen
    assert read_secrets(tmp_path / "secrets.yaml") == ({"wallbox": "hunter2"} if code == 0 else {})


def test_set_by_root_it_stays_with_its_owner(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = tmp_path / "secrets.yaml"
    path.touch(mode=0o600)
    os.chown(path, 65_534, 65_534)

    write_secret(path, "wallbox", "hunter2")

    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (65_534, 65_534, 0o600)
