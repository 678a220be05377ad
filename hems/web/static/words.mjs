// Every word of the page's own, and how numbers and times are written. What the house says about a device comes from it.
// Another language is another module with these names.

const LOCALE = "en-GB";

export const text = {
  pages: { now: "Now", plan: "Plan" },
  navigation: "Main",
  skip: "Skip to the content",
  loading: "Waiting for the first reading…",
  powerNow: "Power now",
  unknown: "not known",
  next: "Next:",
  simulated: (what) => `Simulated: ${what}`,
  more: (count) => `+${count} more`,
  moreTitle: "All messages",
  noContact: "Can't send now: no contact with your home system.",
  theme: { auto: "Appearance: as the system", light: "Appearance: light", dark: "Appearance: dark" },
  pill: {
    waiting: "Waiting",
    live: "Live",
    delayed: "Delayed",
    lost: (since) => `Not live since ${since}`,
    problem: (what) => `Problem: ${what}`,
    meter: "grid meter",
  },
  clock: "The time of day is not confirmed yet; what depends on it waits.",
  balance: (watts) => `Readings don't add up: ${watts} W unexplained.`,
  states: {
    running: "Running",
    waiting: "Waiting",
    paused_by_you: "Paused by you",
    held: "Held on purpose",
    limited: "Limited",
    finished: "Finished",
    not_connected: "Not connected",
    problem: "Problem",
  },
  limitedBy: {
    plan: "Limited by the plan",
    you: "Limited by you",
    grid_operator: "Limited by the grid operator",
    aggregator: "Limited by the grid programme",
    device: "Limited by the device",
    safety: "Limited for safety",
  },
  nodes: { grid: "Grid", home: "Home", pv: "Sun", battery: "Battery", charger: "Car", heat_pump: "Heat" },
  flows: {
    grid: ["Buying", "Selling", "Grid idle"],
    home: ["Using", "Using", "Home"],
    pv: ["Sun", "Sun", "No sun"],
    battery: ["Filling", "Emptying", "Battery"],
    charger: ["Charging", "Giving", "Car"],
    heat_pump: ["Heating", "Heating", "Heat"],
    grid_meter: ["Buying", "Selling", "Nothing"],
  },
  facts: {
    now: "Now", level: "Level", session: "This charge", room: "Room", tank: "Hot water", age: "Last value",
    doing: {
      pv: ["using", "making", "making nothing"],
      battery: ["filling", "emptying", "resting"],
      charger: ["charging", "giving", "not charging"],
      heat_pump: ["using", "using", "resting"],
      grid_meter: ["buying", "selling", "nothing flows"],
    },
  },
  ago: (age) => `${age} ago`,
  status: {
    title: "Price and plan",
    buy: "Buying now",
    sell: "Selling now",
    perKwh: (price) => `${price}/kWh`,
    until: "Prices known until",
    noPrices: "not published",
    plan: "Plan",
    noPlan: "No plan: following simple rules (sun first, protect the fuse).",
    made: (time, age) => `made at ${time}, ${age} ago`,
    rules: (since, why) => `No fresh plan since ${since}: following simple rules (sun first, protect the fuse)${why}.`,
    trouble: (why) => `No newer plan: ${why}.`,
    programme: "Grid programme",
    connected: "connected, steers nothing now",
    disconnected: "not connected; the house goes on by itself",
    steers: (power, until) => `steers the house to ${power} until ${until}`,
  },
  learned: {
    title: "Noticed",
    use: "Plan with that",
    decline: "No, leave it",
    failed: (why) => `Nothing was changed: ${why}`,
  },
  override: {
    start: "Charge now",
    undo: "Undo",
    end: "End now",
    active: (until) => `Your override until ${until}`,
    title: (name) => `Charge ${name} now`,
    until: "At full power until",
    hours: (hours) => (hours === 1 ? "1 hour" : `${hours} hours`),
    preset: (span, time) => `${span}, until ${time}`,
    morning: (time) => `until ${time}`,
    asking: "Asking what it costs…",
    energy: (energy) => `Up to ${energy}`,
    more: (money) => `about ${money} more than the plan`,
    less: (money) => `about ${money} less than the plan`,
    same: "about as much as the plan",
    unpriced: "the extra cost is not known, because there is no plan to compare with",
    expected: (time) => `After ${time} prices are expected, not published.`,
    confirm: "Charge now",
    cancel: "Cancel",
    failed: (why) => `It did not work: ${why}`,
    unreachable: "no answer from your home system.",
  },
  plan: {
    title: "Plan",
    cost: (money, until) => `About ${money} until ${until}`,
    credit: (money, until) => `About ${money} earned until ${until}`,
    costNote: "Expected cost of what is planned, less the worth of what is stored at the end.",
    none: "No plan yet. Below is what was measured, and the prices that are known.",
    rules: "By simple rules, because there is no fresh plan.",
    loading: "Loading the plan…",
    failed: "The plan could not be loaded; trying again.",
    outdated: "The system was updated. Load the page again.",
    noPrices: "No published prices:",
    made: (time) => `Made at ${time}.`,
    stale: (time, age) => `Made at ${time}, ${age} ago: old.`,
    price: "Price of a kWh",
    priceIs: (kind) => `price ${kind}`,
    power: "Power",
    levels: "Battery level",
    noLevels: "No battery level is known.",
    forecasts: {
      title: "How good the forecasts are",
      note: "Each midnight's forecast of the day, held against what was measured. 80 % should come inside the range.",
    },
    earlier: "Earlier",
    later: "Later",
    showTable: "Show as table",
    why: "Why the plan is so",
    whyOf: (name) => `${name}: when and why`,
    does: "When, what",
    because: "Because",
    worth: "Worth",
    whyNote: "Worth: what one more stored kWh saves later, at the end of these hours.",
    changedDetails: "What changed",
    time: "Time",
    measured: "measured",
    planned: "planned",
    expected: "expected",
    published: "published",
    now: "now",
    buy: "Buy",
    sell: "Sell",
    sun: "Sun",
    home: "Home",
    grid: "Grid",
    limit: "limit",
    out: (value) => `out ${value}`,
    buying: (power) => `buying ${power}`,
    selling: (power) => `selling ${power}`,
    filling: (power) => `filling ${power}`,
    emptying: (power) => `emptying ${power}`,
    level: (name) => `${name} level`,
    table: "The plan by hours",
    caption: "Means of each hour",
    what: "What",
    summary: {
      price: (low, lowAt, high, highAt) => `Price: lowest ${low} at ${lowAt}, highest ${high} at ${highAt}`,
      power: "Power of each device and of the grid per quarter hour; the table has the numbers",
      levels: (name, low, high) => `${name} between ${low} and ${high}`,
      noPrice: "Price: not known",
    },
  },
};

const number = (digits) => new Intl.NumberFormat(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const ONE = number(1);
const NONE = number(0);
const cached = new Map();

function formatter(key, make) {
  if (!cached.has(key)) cached.set(key, make());
  return cached.get(key);
}

const inZone = (zone, name, options) =>
  formatter(`${zone} ${name}`, () => new Intl.DateTimeFormat(LOCALE, { timeZone: zone, hourCycle: "h23", ...options }));

/** A magnitude; the words around it say the direction. */
export const power = (watts) => (watts === null ? text.unknown : `${ONE.format(Math.abs(watts) / 1000)} kW`);
export const energy = (wh) => (wh === null ? text.unknown : `${ONE.format(wh / 1000)} kWh`);
export const percent = (pct) => (pct === null ? text.unknown : `${NONE.format(pct)} %`);
export const degrees = (celsius) => `${ONE.format(celsius)} °C`;
export const kilowattTicks = (watts) => `${formatter("tick", () => new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 })).format(watts / 1000)} kW`;

/** Price of a kWh: in cents where the currency has them by that name. */
export function price(value, currency) {
  if (value === null) return text.unknown;
  if (currency === "EUR") return `${NONE.format(value * 100 + 0)} ct`.replace(/^-/, "−");
  return money(value, currency);
}

export const money = (value, currency) =>
  formatter(`money ${currency}`, () => new Intl.NumberFormat(LOCALE, { style: "currency", currency })).format(value);

export function age(seconds) {
  if (seconds < 90) return `${NONE.format(seconds)} s`;
  if (seconds < 5400) return `${NONE.format(seconds / 60)} min`;
  return `${NONE.format(seconds / 3600)} h`;
}

export const clock = (at, zone) => inZone(zone, "clock", { hour: "2-digit", minute: "2-digit" }).format(at);
export const weekday = (at, zone) => inZone(zone, "weekday", { weekday: "short" }).format(at);
export const date = (at, zone) => inZone(zone, "date", { weekday: "long", day: "numeric", month: "long" }).format(at);
const day = (at, zone) => inZone(zone, "day", { year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

/** "14:15", or "Tue 02:15" on another day of the house's zone. */
export function moment(at, now, zone) {
  const time = clock(at, zone);
  return day(at, zone) === day(now, zone) ? time : `${weekday(at, zone)} ${time}`;
}
