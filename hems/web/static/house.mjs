// What the page knows of the house: the last snapshot, how old it is, the plan; and the two commands.
// Whether it is live is decided by the age of what was heard, never by the state of a socket: those freeze silently.

import { computed, signal } from "./vendor/ui-kit.mjs";
import { clock, text } from "./words.mjs";

const STATE_LATE_MS = 10_000;
const STATE_LOST_MS = 60_000;
const SILENT_MS = 20_000; // four heartbeats of 5 s
const METER_LATE_S = 25; // two telegrams of the slowest meter (10 s), and 5 s
const METER_LOST_S = 60;
const CALM_MS = 10_000; // a sentence stays this long unless the state changes
const RETRY_MS = 2_000;
const PLAN_PAUSE_MS = 5_000;

const version = new URL(import.meta.url).pathname.split("/").at(-2);
const address = (path) => new URL(`api/v1/${path}`, document.baseURI);

export const snapshot = signal(null);
export const plan = signal(null);
export const planTrouble = signal(false);
const heardMs = signal(0);
const stateMs = signal(0);
const nowMs = signal(Date.now());

/** {kind, text, detail}: kind is waiting, live, delayed, lost or problem. Detail ticks, text does not. */
export const freshness = computed(() => {
  const house = snapshot.value;
  if (house === null) return { kind: "waiting", text: text.pill.waiting, detail: "" };
  const lateMs = Math.max(0, nowMs.value - stateMs.value);
  const silentMs = Math.max(0, nowMs.value - heardMs.value);
  if (lateMs > STATE_LOST_MS || silentMs > SILENT_MS) {
    return { kind: "lost", text: text.pill.lost(clock(new Date(house.at), house.timezone)), detail: "" };
  }
  if (lateMs > STATE_LATE_MS) return { kind: "delayed", text: text.pill.delayed, detail: lateMs / 1000 };
  if (house.mode === "safe_hold" || house.grid_age_s === null || house.grid_age_s > METER_LOST_S) {
    return { kind: "problem", text: text.pill.problem(text.pill.meter), detail: "" };
  }
  const silent = house.devices.find((device) => device.state === "problem");
  if (silent) return { kind: "problem", text: text.pill.problem(silent.name), detail: "" };
  if (house.grid_age_s > METER_LATE_S) return { kind: "delayed", text: text.pill.delayed, detail: house.grid_age_s };
  return { kind: "live", text: text.pill.live, detail: "" };
});

export const lost = computed(() => freshness.value.kind === "lost");

const shown = new Map();

/** Keep a sentence for some seconds unless what it is about changed, so that it can be read. */
function calm(device) {
  const about = `${device.state} ${device.actor} ${device.override?.id}`;
  const before = shown.get(device.id);
  if (before && before.about === about && Date.now() - before.sinceMs < CALM_MS) {
    return { ...device, headline: before.headline, next: before.next };
  }
  if (!before || before.headline !== device.headline || before.next !== device.next || before.about !== about) {
    shown.set(device.id, { about, headline: device.headline, next: device.next, sinceMs: Date.now() });
  }
  return device;
}

/** Load the page of a newer system, once: something between us may go on handing out the old one. */
function renew(newer) {
  try {
    if (newer === version || sessionStorage.getItem("renewed") === newer) return;
    sessionStorage.setItem("renewed", newer);
    location.reload();
  } catch {
    // a browser that keeps nothing stays with what it has
  }
}

let source = null;
let retry = 0;

function hear() {
  heardMs.value = nowMs.value = Date.now();
}

function open() {
  source?.close();
  clearTimeout(retry);
  source = new EventSource(address("stream"));
  source.addEventListener("state", (event) => {
    const house = JSON.parse(event.data);
    hear();
    stateMs.value = Date.now();
    snapshot.value = { ...house, devices: house.devices.map(calm) };
  });
  source.addEventListener("hb", (event) => {
    hear();
    renew(JSON.parse(event.data).version);
  });
  source.onerror = () => {
    source.close(); // a refused stream is not opened again by the browser, so we do
    clearTimeout(retry);
    retry = setTimeout(open, RETRY_MS);
  };
}

/** Follow the house. A page that comes back to the front starts over: its socket may be dead without a sign. */
export function follow() {
  open();
  setInterval(() => (nowMs.value = Date.now()), 1000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && open());
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("online", open);
}

/** What the plan on the screen belongs to; another value means that there is a newer one. */
export const planKey = computed(() => {
  const house = snapshot.value;
  if (house === null) return "";
  return `${house.plan?.issued_at} ${Math.floor(Date.parse(house.at) / 900_000)}`;
});

let planDueMs = 0;

/** Load the plan, at most every few seconds (a demo's hours are short). Returns when it may be asked for again. */
export async function loadPlan() {
  const waitMs = planDueMs - Date.now();
  planDueMs = Math.max(planDueMs, Date.now()) + PLAN_PAUSE_MS;
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  try {
    plan.value = await ask("plan");
    planTrouble.value = false;
  } catch {
    planTrouble.value = true;
  }
}

/** JSON of an answer; throws an Error whose message is a sentence for people. */
async function ask(path, command) {
  let answer;
  try {
    answer = await fetch(address(path), { cache: "no-store", signal: AbortSignal.timeout(10_000), ...command });
  } catch {
    throw new Error(text.override.unreachable);
  }
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(content?.error ?? text.override.unreachable);
  return content;
}

const command = (body, key) => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) },
  body: JSON.stringify(body),
});

/** A key that makes a repeated command the same command; randomUUID does not exist on plain http. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const quote = (device_id, until_at) => ask(`overrides/quote?${new URLSearchParams({ device_id, until_at })}`);
export const chargeNow = (device_id, until_at, key) =>
  ask("overrides", command({ verb: "charge_now", device_id, until_at }, key));
export const endOverride = (id) => ask(`overrides/${encodeURIComponent(id)}/end`, command({}));

/** How good forecasts were and what they do without; null until it is known. */
export const forecasts = signal(null);

export async function loadForecasts() {
  try {
    forecasts.value = await ask("forecasts");
  } catch {
    // asked again with the next plan: nothing hangs on it
  }
}

/** What was learned of devices and waits for the household's word. */
export const suggestions = signal([]);

export async function loadSuggestions() {
  try {
    suggestions.value = (await ask("learned")).facts.filter((each) => each.consent === "suggested");
  } catch {
    // asked again later: nothing hangs on it
  }
}

export async function decide(key, verdict) {
  await ask(`learned/${encodeURIComponent(key)}/${verdict}`, command({}));
  await loadSuggestions();
}
