// The screen Now: where power flows, and a card for each device that says what it does, why, and what comes next.

import { decide, endOverride, loadSuggestions, lost, snapshot, suggestions } from "./house.mjs";
import { Fragment, h, html, icons, useEffect, useState } from "./vendor/ui-kit.mjs";
import { age, clock, degrees, energy, moment, percent, power, price, text } from "./words.mjs";

const IDLE_W = 40;
const OLD_S = 60;
const UNEXPLAINED_W = 150;
const UNEXPLAINED_RATIO = 0.05;
const UNDO_MS = 60_000;
const FIRST_SUGGESTION_MS = 2_000; // behind everything that somebody waits for
const SUGGESTIONS_MS = 3_600_000; // what is learned changes once a day
const RANK = ["problem", "limited", "running", "paused_by_you", "waiting", "held", "finished", "not_connected"];

export function Icon({ name, ...rest }) {
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", ...rest },
    icons[name].map(([tag, attributes]) => h(tag, attributes)));
}

/** First word for power into the thing, second for power out of it, third for next to nothing. */
const direction = (watts) => (Math.abs(watts) < IDLE_W ? 2 : watts > 0 ? 0 : 1);

/* ---- the flow ---- */

const RADIUS = 44;
const PLACES = {
  home: [186, 172], pv: [186, 46], grid: [46, 172], charger: [326, 172], battery: [108, 286], heat_pump: [264, 286],
};
const KINDS = ["pv", "charger", "battery", "heat_pump"];

const known = (values) => values.every((value) => value !== null);
const total = (values) => (known(values) ? values.reduce((sum, value) => sum + value, 0) : null);

function nodesOf(house) {
  const nodes = KINDS.flatMap((kind) => {
    const devices = house.devices.filter((device) => device.kind === kind);
    if (devices.length === 0) return [];
    const levels = devices.map((device) => device.level_pct);
    const level = kind === "battery" && levels.length === 1 ? levels[0] : null;
    return [{ id: kind, watts: total(devices.map((device) => device.power_w)), level }];
  });
  return [{ id: "grid", watts: house.grid_power_w, level: null }, ...nodes];
}

/** Between home and a node; dashes run, and the arrow points, the way that power goes. */
function Line({ id, watts }) {
  const [x, y] = PLACES[id];
  const [homeX, homeY] = PLACES.home;
  const length = Math.hypot(x - homeX, y - homeY);
  const [dx, dy] = [(x - homeX) / length, (y - homeY) / length];
  const [x1, y1] = [homeX + dx * RADIUS, homeY + dy * RADIUS];
  const [x2, y2] = [x - dx * RADIUS, y - dy * RADIUS];
  if (watts === null || direction(watts) === 2) {
    return html`<line class="wire idle" x1=${x1} y1=${y1} x2=${x2} y2=${y2} />`;
  }
  const outward = id === "grid" ? watts < 0 : watts > 0; // away from home
  const angle = (Math.atan2(dy, dx) * 180) / Math.PI + (outward ? 0 : 180);
  const width = 2.5 + Math.min(5.5, Math.abs(watts) / 1500);
  const colour = id === "grid" && watts < 0 ? "selling" : id;
  return html`<g class="role-${colour}">
    <line class="wire ${outward ? "out" : "in"}" x1=${x1} y1=${y1} x2=${x2} y2=${y2} stroke-width=${width} />
    <path class="arrow" d="M-6-7 8 0-6 7z" transform="translate(${(x1 + x2) / 2} ${(y1 + y2) / 2}) rotate(${angle})" />
  </g>`;
}

function Node({ id, watts, level }) {
  const [x, y] = PLACES[id];
  const way = watts === null ? 2 : direction(watts);
  const word = watts === null ? text.nodes[id] : text.flows[id][way];
  const colour = id === "grid" && way === 1 ? "selling" : id;
  return html`<g class="node role-${colour} ${watts === null ? "unknown" : ""}">
    <circle cx=${x} cy=${y} r=${RADIUS - 2} />
    <${Icon} name=${id === "grid" ? "grid_meter" : id} x=${x - 10} y=${y - 38} width="20" height="20" />
    <text class="word" x=${x} y=${y - 3}>${word}</text>
    <text class="value" x=${x} y=${y + 16}>${power(watts)}</text>
    ${level !== null && html`<text class="word" x=${x} y=${y + 33}>${percent(level)}</text>`}
  </g>`;
}

function Flow({ house }) {
  const nodes = nodesOf(house);
  const all = [...nodes, { id: "home", watts: house.home_power_w, level: null }];
  const words = ({ id, watts, level }) =>
    [`${text.nodes[id]}: ${watts === null ? "" : text.flows[id][direction(watts)].toLowerCase()} ${power(watts)}`,
      ...(level === null ? [] : [percent(level)])].join(", ");
  const summary = `${text.powerNow}. ${all.map(words).join(". ")}`;
  return html`<svg class="flow" viewBox="0 0 372 332" role="img" aria-label=${summary}>
    ${nodes.map((node) => html`<${Line} ...${node} />`)}
    ${all.map((node) => html`<${Node} ...${node} />`)}
  </svg><${Balance} house=${house} nodes=${nodes} />`;
}

/** Say so when what is measured does not add up, instead of drawing a flow that is not there. */
function Balance({ house, nodes: [grid, ...others] }) {
  const parts = total([house.home_power_w, ...others.map((node) => node.watts)]);
  if (parts === null || grid.watts === null) return null;
  const missing = Math.abs(grid.watts - parts);
  const busiest = Math.max(...[grid, ...others].map((node) => Math.abs(node.watts)));
  if (missing <= Math.max(UNEXPLAINED_W, UNEXPLAINED_RATIO * busiest)) return null;
  return html`<p class="note">${text.balance(Math.round(missing / 10) * 10)}</p>`;
}

/* ---- the cards ---- */

function factsOf(device) {
  const { facts } = text;
  const doing = facts.doing[device.kind];
  const now = device.power_w === null ? text.unknown : doing[direction(device.power_w)];
  const value = device.power_w === null || direction(device.power_w) === 2 ? now : `${now} ${power(device.power_w)}`;
  const found = [[facts.now, value]];
  if (device.kind === "battery") found.push([facts.level, percent(device.level_pct)]);
  if (device.kind === "charger" && device.state !== "not_connected") {
    found.push([facts.session, energy(device.session_energy_wh)]);
  }
  if (device.room_c !== null) found.push([facts.room, degrees(device.room_c)]);
  if (device.tank_c !== null) found.push([facts.tank, degrees(device.tank_c)]);
  if (device.age_s !== null && device.age_s > OLD_S) found.push([facts.age, text.ago(age(device.age_s))]);
  return found;
}

const stateWord = (device) => (device.state === "limited" ? text.limitedBy[device.actor] : text.states[device.state]);

function Card({ device, house }) {
  const id = `device-${device.id}`;
  return html`<section class="card device role-${device.kind} ${device.override ? "overridden" : ""}" aria-labelledby=${id}>
    <div class="head"><${Icon} name=${device.kind} /><h2 id=${id}>${device.name}</h2>
      <span class="chip state-${device.state}">${stateWord(device)}</span></div>
    <p class="headline">${device.headline}</p>
    ${device.next && html`<p class="next"><strong>${text.next}</strong> ${device.next}</p>`}
    <dl class="facts">${factsOf(device).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${device.kind === "charger" && html`<${Override} device=${device} house=${house} />`}
  </section>`;
}

/** One button that starts or ends the override, so that the keyboard's focus stays where it was. */
function Override({ device, house }) {
  const [dialog, setDialog] = useState(null);
  const [trouble, setTrouble] = useState("");
  const { override } = device;
  if (!override && device.state === "not_connected") return null;
  const fresh = override && Date.parse(house.at) - Date.parse(override.asked_at) < UNDO_MS;
  const label = override ? (fresh ? text.override.undo : text.override.end) : text.override.start;
  const press = async () => {
    setTrouble("");
    try {
      if (override) await endOverride(override.id);
      else {
        const { Dialog } = await import("./override.mjs");
        setDialog(() => Dialog);
      }
    } catch (error) {
      setTrouble(text.override.failed(error instanceof TypeError ? text.plan.outdated : error.message));
    }
  };
  const until = override && moment(new Date(override.until_at), new Date(house.at), house.timezone);
  return html`<div class="actions">
    ${override && html`<p class="chip own">${text.override.active(until)}</p>`}
    <button class=${override ? "" : "main"} disabled=${lost.value} onClick=${press}>${label}</button>
    <p class="trouble" role="alert">${trouble}</p>
    ${dialog && h(dialog, { device, onClose: () => setDialog(null) })}
  </div>`;
}

function Status({ house }) {
  const { status } = text;
  const { price: prices, plan, aggregator, timezone, currency } = house;
  const at = new Date(house.at);
  const until = prices.published_until_at;
  const setpoint = aggregator?.setpoint_w ?? null;
  return html`<section class="card status" aria-labelledby="status">
    <h2 id="status">${status.title}</h2>
    <dl class="facts">
      <div><dt>${status.buy}</dt><dd>${status.perKwh(price(prices.import_eur_per_kwh, currency))}</dd></div>
      <div><dt>${status.sell}</dt><dd>${status.perKwh(price(prices.export_eur_per_kwh, currency))}</dd></div>
      <div><dt>${status.until}</dt><dd>${until ? moment(new Date(until), at, timezone) : status.noPrices}</dd></div>
    </dl>
    <p class="muted">${prices.source}</p>
    <p>${planWords(plan, timezone)}</p>
    ${aggregator && html`<p><strong>${status.programme}:</strong> ${
      setpoint !== null && aggregator.until_at
        ? status.steers(text.plan[setpoint < 0 ? "selling" : "buying"](power(setpoint)),
            moment(new Date(aggregator.until_at), at, timezone))
        : aggregator.connected ? status.connected : status.disconnected}</p>`}
  </section>`;
}

function planWords(plan, zone) {
  const { status } = text;
  if (plan === null) return status.noPlan;
  const made = clock(new Date(plan.issued_at), zone);
  if (plan.origin === "rules") return status.rules(made, plan.trouble ? `: ${plan.trouble}` : "");
  return `${status.plan} ${status.made(made, age(plan.age_s))}. ${plan.trouble ? status.trouble(plan.trouble) : ""}`;
}

/** One thing that was learned of a device, with a question; the next one comes when it is answered. */
function Suggestion() {
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    const first = setTimeout(loadSuggestions, FIRST_SUGGESTION_MS);
    const timer = setInterval(loadSuggestions, SUGGESTIONS_MS);
    return () => [first, timer].forEach(clearTimeout);
  }, []);
  const [first] = suggestions.value;
  if (first === undefined) return null;
  const { learned } = text;
  const answer = (verdict) => () => {
    setTrouble("");
    decide(first.key, verdict).catch((error) => setTrouble(learned.failed(error.message)));
  };
  return html`<section class="card" aria-labelledby="learned">
    <h2 id="learned">${learned.title}</h2>
    <p>${first.sentence}</p>
    <div class="actions">
      <button class="main" disabled=${lost.value} onClick=${answer("use")}>${learned.use}</button>
      <button disabled=${lost.value} onClick=${answer("decline")}>${learned.decline}</button>
      <p class="trouble" role="alert">${trouble}</p>
    </div>
  </section>`;
}

const rank = (device) => (device.kind === "charger" ? -1 : device.kind === "grid_meter" ? 99 : RANK.indexOf(device.state));

export function Now() {
  const house = snapshot.value;
  const devices = [...house.devices].sort((a, b) => rank(a) - rank(b));
  return html`<${Fragment}>
    <div class="column">
      <section class="card" aria-labelledby="flow"><h2 id="flow">${text.powerNow}</h2><${Flow} house=${house} /></section>
      <${Status} house=${house} />
      <${Suggestion} />
    </div>
    <div class="column">${devices.map((device) => html`<${Card} key=${device.id} device=${device} house=${house} />`)}</div>
  <//>`;
}
