"""Mutants of ``python -m benchmarks.mutation`` that change nothing anybody could see, each with its reason."""

EQUIVALENT: dict[str, str] = {
    "operator._due: match line.state | case LimitState.UNLIMITED_AUTONOMOUS: return None -> nothing": (
        "A function that reaches its end answers None as well."
    ),
    (
        "guard.lease_s: gap_s = 0.0 if state.ticked_mono_s is None else now.mono_s - state.ticked_mono_s | 0.0 -> 1.0"
    ): "Two and a half seconds are less than the shortest lease, like none.",
    (
        "guard.lease_s: gap_s = 0.0 if state.ticked_mono_s is None else now.mono_s - state.ticked_mono_s | 0.0 -> -1.0"
    ): "Less than nothing is less than the shortest lease, like nothing.",
    (
        "guard.permit: commands.append(command if want.authority is Authority.PLAN else replace(command, "
        "authority=want.authority)) | want.authority is Authority.PLAN -> False"
    ): "Replacing the planner's authority by the planner's is a copy.",
    (
        "guard._heat_pump: bounds = [_bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w), "
        "_fuse_bound(shift, -WIDE_W, room_w * len(device.phases), circuit), *shift.conn | - -> nothing"
    ): "The fuse's lower bound, at most 0, narrows nothing: the stronger nameplate begins at 0.",
    (
        "guard._charger: bounds = [_bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w if "
        "present else 0.0), _fuse_bound(shift, -WIDE_W, highest_power_w(device, room_a | - -> nothing"
    ): "The fuse's lower bound, at most 0, narrows nothing: the stronger nameplate begins at 0.",
    (
        "guard._by_itself: return (_command(shift, device.id, action, () if fits else limited), told_w, "
        "switched) | fits -> False"
    ): "Where the whole nameplate is settled, no bound has moved it by a watt, and only such are named.",
    "guard._charger: if present and (not want.urgent) | present and (not want.urgent) -> not want.urgent": (
        "An absent car's nameplate is nothing: no weaker rule widens it, moves it or is named."
    ),
    (
        "guard._pv: bounds = [_bound(Authority.DEVICE, LimitRule.NAMEPLATE, -free_w, 0.0), "
        "_fuse_bound(shift, -fuse_w, WIDE_W, circuit)] | 0.0 -> 1.0"
    ): "What is wanted of a plant is never above 0, so an upper bound of a watt moves nothing.",
    (
        "guard._pv: bounds.append(_bound(each.authority, each.rule, -each.power_max_w * part_ratio, 0.0)) | 0.0 -> 1.0"
    ): "What is wanted of a plant is never above 0, so an upper bound of a watt moves nothing.",
    (
        "guard._pv: shift.room.take(device.circuit, device.phases, -max(0.0, -power_w - "
        "counted_production_w(device, shift.seen))) | 0.0 -> -1.0"
    ): "Takes a watt of the way in, when all that draw have had their turn.",
    (
        "guard._dwell_bounds: return [_bound(Authority.HOUSEHOLD, LimitRule.MIN_REST, -WIDE_W, 0.0)] | 0.0 -> -1.0"
    ): "The stronger nameplate begins at 0: what it leaves is 0 either way.",
    "guard._headroom_a: deciding = device.circuit | deciding = device.circuit -> nothing": (
        "Every charger has a number of phases, so the loop names the circuit."
    ),
    (
        "guard._held_count: if count is None or changed is None or shift.now.mono_s - changed >= "
        "PHASE_DWELL_S | count is None or -> nothing"
    ): "None is no number of phases that has room: the next line answers None as well.",
    "guard._floored: if not 0 < allowed_w < floor_w | < -> <= (2)": (
        "Who may draw its smallest power draws it, and nobody asks why it rests."
    ),
    (
        "headroom.Headroom.take: left_w = self.import_left_w if power_w >= 0 else self.export_left_w | >= -> >"
    ): "Nothing taken is nothing, whichever way it is taken from.",
    "headroom.Headroom._chain: if circuit not in self.chains | circuit not in self.chains -> True": (
        "What is kept is what would be found again."
    ),
    (
        "headroom.headroom: if device.id in now_estimate.silent and (not isinstance(device, PvPlant)) | and "
        "(not isinstance(device, PvPlant)) -> nothing"
    ): "The nameplate of a plant's consumption is 0: nothing is taken.",
    (
        "headroom.backup_power_w: return given_w if whole_w is None or given_w.total <= whole_w else "
        "given_w.scaled(whole_w / given_w.total) | <= -> <"
    ): "Scaled by one it is what it was.",
    (
        "headroom.phases_drawn_on: if isinstance(device, Charger) and values is not None | "
        "isinstance(device, Charger) and -> nothing"
    ): "Only a charger has the values of one.",
    (
        "headroom.residual_reserve: if present is None or since_s is None or now_estimate.is_island | "
        "present is None or -> nothing"
    ): "Blind, the room that is kept is the whole of what a recovery keeps a part of.",
}
