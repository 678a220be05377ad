"""The tests of drivers, stores, page and aggregator notice when one of their protections is missing."""

import shutil
from pathlib import Path

import pytest

from tests.mutants.harness import NO_CACHES, ROOT, Mutant, complete, run_tests, survivors

DRIVERS = "drivers/hems_drivers"

MUTANTS = (
    Mutant(
        name="a telegram's checksum is not compared",
        file=f"{DRIVERS}/p1/telegram.py",
        before="if int(digits, 16) != crc16(telegram):",
        after="if int(digits, 16) < 0:",
        test="tests/drivers/p1/test_telegram.py::test_two_thousand_mutated_telegrams_are_never_accepted_with_a_wrong_checksum",
    ),
    Mutant(
        name="a date that does not exist raises",
        file=f"{DRIVERS}/p1/telegram.py",
        before="except ValueError:",
        after="except KeyError:",
        test="tests/drivers/p1/test_telegram.py::test_two_thousand_mutated_telegrams_are_never_accepted_with_a_wrong_checksum",
    ),
    Mutant(
        name="another transaction's answer is taken",
        file=f"{DRIVERS}/modbus/frames.py",
        before='received[:2] not in (sent[:2], b"\\x00\\x00")',
        after="False",
        test="tests/drivers/modbus/test_link.py::test_another_transaction_number_is_refused_and_zero_is_taken",
    ),
    Mutant(
        name="a serial frame's checksum is not compared",
        file=f"{DRIVERS}/modbus/frames.py",
        before="if crc16(received[:length]) != int",
        after="if -1 == int",
        test="tests/drivers/modbus/test_frames.py::test_one_flipped_byte_on_a_serial_line_is_found",
    ),
    Mutant(
        name="a bridge's checksum is not compared",
        file=f"{DRIVERS}/bridge/frames.py",
        before='.to_bytes(2, "big") != crc:',
        after='.to_bytes(2, "big") == b"":',
        test="tests/drivers/bridge/test_frames.py::test_frames_are_those_of_the_contract",
    ),
    Mutant(
        name="an answer to an earlier question is taken",
        file=f"{DRIVERS}/bridge/messages.py",
        before="payload[1:HEADER_BYTES] != bytes([kind | REPLY, sequence])",
        after="payload[1] != kind | REPLY",
        test="tests/drivers/bridge/test_frames.py::test_messages_are_those_of_the_contract",
    ),
    Mutant(
        name="a contact that never settled is open",
        file=f"{DRIVERS}/bridge/operator_box.py",
        before="for each in contacts.known}",
        after="for each in range(1, 9)}",
        test="tests/drivers/bridge/test_operator_box.py::test_a_contact_that_the_board_does_not_have_counts_as_closed",
    ),
    Mutant(
        name="a bridge that does not answer is never opened anew",
        file=f"{DRIVERS}/bridge/link.py",
        before="            self.close()\n            raise\n",
        after="            raise\n",
        test="tests/drivers/bridge/test_operator_box.py::test_what_is_no_answer_is_none_and_the_next_one_is_understood",
    ),
    Mutant(
        name="a timer is never refreshed",
        file=f"{DRIVERS}/lease.py",
        before="mono_s >= self._refresh_mono_s)",
        after="False)",
        test="tests/drivers/modbus/test_lease.py::test_a_device_that_obeys_is_never_further_off_than_the_deadband_nor_without_a_running_timer",
    ),
    Mutant(
        name="a sentinel is a number",
        file=f"{DRIVERS}/sunspec/models.py",
        before="raw == ABSENT[point.kind] or ratio is None",
        after="ratio is None",
        test="tests/drivers/sunspec/test_models.py::test_what_is_not_there_is_none_and_never_a_number",
    ),
    Mutant(
        name="an offer is rounded up",
        file=f"{DRIVERS}/ocpp/profiles.py",
        before="math.floor(raw * 10 + 1e-6) / 10",
        after="math.ceil(raw * 10) / 10",
        test="tests/drivers/ocpp/test_inbound.py::test_an_offer_is_never_above_the_command_nor_the_charger",
    ),
    Mutant(
        name="a frame of the wrong form raises",
        file=f"{DRIVERS}/ocpp/frames.py",
        before="if not isinstance(frame, list) or len(frame) < 3 or",
        after="if",
        test="tests/drivers/ocpp/test_fuzz.py",
    ),
    Mutant(
        name="a number in a payload may be infinite",
        file=f"{DRIVERS}/payload.py",
        before="abs(value) <= MAGNITUDE_MAX and math.isfinite(value)",
        after="value == value",
        test="tests/drivers/mqtt/test_payload.py::test_two_thousand_odd_payloads_are_read_without_an_error",
    ),
    Mutant(
        name="a contact is closed before the other is open",
        file=f"{DRIVERS}/mqtt/relays.py",
        before="((False, opened), (True, closed))",
        after="((True, closed), (False, opened))",
        test="tests/drivers/mqtt/test_driver.py::test_both_contacts_are_never_closed_whatever_relays_and_commands_do",
    ),
    Mutant(
        name="a body that is no JSON is an inner error",
        file="hems/web/requests.py",
        before="return model.model_validate_json(content)\n    except ValidationError as error:",
        after="return model.model_validate_json(content)\n    except KeyError as error:",
        test="tests/web/test_fuzz.py::test_no_command_is_an_inner_error",
    ),
    Mutant(
        name="an expired command is obeyed",
        file="hems/aggregator/gate.py",
        before="if command.exp <= now_at:",
        after="if False:",
        test="tests/aggregator/test_session.py::test_what_is_late_replayed_malformed_or_outside_is_refused",
    ),
    Mutant(
        name="a command is obeyed twice",
        file="hems/aggregator/gate.py",
        before="if command.seq > last_seq:",
        after="if command.seq > 0:",
        test="tests/aggregator/test_fuzz.py",
    ),
    Mutant(
        name="a document is renamed before it is on disk",
        file="hems/store/document.py",
        before="    files.sync_content(fresh)\n",
        after="",
        test="tests/store/test_power_cuts.py::test_a_power_cut_at_any_operation_loses_nothing_durable",
    ),
    Mutant(
        name="an episode is acknowledged before it is on disk",
        file="hems/store/journal.py",
        before="            self._files.sync_content(path)\n            self._ends[name] += len(content)",
        after="            self._ends[name] += len(content)",
        test="tests/store/test_power_cuts.py::test_a_power_cut_at_any_operation_loses_nothing_durable",
    ),
    Mutant(
        name="an override is in force before it is stored",
        file="hems/app/overrides.py",
        before="await self._offload(lambda: put_or_leave(self._shelf, device_id, asked))",
        after="True",
        test="tests/app/test_daemon.py::test_an_override_survives_a_restart_and_can_be_taken_back",
    ),
    Mutant(
        name="an override has no end",
        file="hems/control/cars.py",
        before="each.device_id == charger.id and now.at < each.until_at",
        after="each.device_id == charger.id",
        test="tests/unit/control/test_asked.py::test_charge_now_ends_by_itself",
    ),
    Mutant(
        name="what a device was told lately is forgotten",
        file="hems/control/residual.py",
        before="told = _told(state, device, phase_w, response_s, now) if late else []",
        after="told: list[Drawn] = []",
        test="tests/simulation/test_one_second.py",
    ),
    Mutant(
        name="a full car explains the load beside it again and again",
        file="hems/control/residual.py",
        before="unmoved = [each for each in entries if _stands_still(each, present_total_w)]",
        after="unmoved: list[Drawn] = []",
        test="tests/unit/control/test_full_car.py",
    ),
    Mutant(
        name="the mean of a slow meter is taken for its last moment",
        file="hems/control/estimate.py",
        before="if period_s > FAST_METER_S and not feeds:",
        after="if False:",
        test="tests/simulation/test_one_second.py",
    ),
)


def copy_of_the_product(folder: Path) -> None:
    for part in ("hems", "drivers", "tests", "config", "firmware-bridge"):
        shutil.copytree(ROOT / part, folder / part, ignore=NO_CACHES)
    complete(folder)


@pytest.mark.timeout(300)
def test_every_planted_fault_is_noticed(tmp_path: Path) -> None:
    found = survivors(MUTANTS, copy_of_the_product, tmp_path)
    assert not found, found


def test_the_copy_without_a_fault_is_green(tmp_path: Path) -> None:
    copy_of_the_product(tmp_path)
    result = run_tests(tmp_path, *sorted({mutant.test for mutant in MUTANTS}), profile="default")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
