// A plan view as series in watts, prices and per cent, and their words. Unknown stays null, in charts and in the table.

import { percent, power, price, text } from "./words.mjs";

const IDLE_W = 40;

export const slotTime = (view, slot) => new Date(Date.parse(view.start_at) + slot * view.slot_s * 1000);

const negated = (values) => values.map((value) => (value === null ? null : -value));
const sum = (lists) =>
  lists[0].map((_, slot) => lists.reduce((all, list) => (all === null || list[slot] === null ? null : all + list[slot]), 0));

/** Devices of a kind as one series; null where there is none of the kind. */
function ofKind(view, kind) {
  const found = view.devices.filter((device) => device.kind === kind);
  return found.length ? { name: found.length === 1 ? found[0].name : text.nodes[kind], watts: sum(found.map((each) => each.power_w)) } : null;
}

/** What flows: {id, name, colour, watts, words}, in load convention; the sun as production. */
export function flowsOf(view) {
  const words = text.plan;
  const directed = (into, out) => (watts) => (watts === null || Math.abs(watts) < IDLE_W ? power(watts) : watts < 0 ? out(power(watts)) : into(power(watts)));
  const device = (kind, id, colour, say) => {
    const found = ofKind(view, kind);
    return found ? [{ id, colour, words: say, ...found }] : [];
  };
  const sun = device("pv", "sun", "--pv", power).map((each) => ({ ...each, name: words.sun, watts: negated(each.watts) }));
  return [
    { id: "home", name: words.home, colour: "--home", watts: view.load_power_w, words: power },
    ...device("heat_pump", "heat", "--heat", power),
    ...device("charger", "car", "--charger", power),
    ...device("battery", "battery", "--battery", directed(words.filling, words.emptying)),
    ...sun,
    { id: "grid", name: words.grid, colour: "--buying", watts: view.grid_power_w, words: directed(words.buying, words.selling) },
  ];
}

export const levelsOf = (view) =>
  view.devices.filter((device) => device.level_pct.length > 0).map(({ id, name, level_pct }) => ({ id, name, values: level_pct }));

const mean = (values) => (values.some((value) => value === null) ? null : values.reduce((all, value) => all + value, 0) / values.length);

/** Columns of the table and entries of the readout: {name, colour, mean(slots) -> words}. */
export function columnsOf(view) {
  const over = (values, say) => (slots) => say(mean(slots.map((slot) => values[slot])));
  const cost = (value) => price(value, view.currency);
  return [
    { name: text.plan.buy, colour: "--buying", mean: over(view.import_eur_per_kwh, cost) },
    { name: text.plan.sell, colour: "--selling", mean: over(view.export_eur_per_kwh, cost) },
    ...flowsOf(view).map(({ name, colour, watts, words }) => ({ name, colour, mean: over(watts, words) })),
    ...levelsOf(view).map(({ name, values }) => ({
      name: text.plan.level(name), colour: "--battery", mean: (slots) => percent(values[slots.at(-1)]),
    })),
  ];
}

/** Slots by full hours of the house's zone; days of 23 and 25 hours need nothing special. */
export function hoursOf(view) {
  const minute = new Intl.DateTimeFormat("en-GB", { timeZone: view.timezone, minute: "numeric" });
  const hours = [];
  view.load_power_w.forEach((_, slot) => {
    const start = slotTime(view, slot);
    if (hours.length === 0 || Number(minute.format(start)) === 0) hours.push({ start, slots: [] });
    hours.at(-1).slots.push(slot);
  });
  return hours.map((hour) => ({ ...hour, kind: hour.slots.at(-1) < view.past_count ? text.plan.measured : text.plan.planned }));
}
