// Three charts over one time axis with one cursor: price, power, levels. The slider under them moves the cursor, so that
// everything a mouse can read a keyboard can read too; the table has the same numbers.

import { area, bySign, label, nowLine, tint, token } from "./canvas.mjs";
import { columnsOf, flowsOf, levelsOf, slotTime } from "./series.mjs";
import { html, useEffect, useMemo, useRef, useState } from "./vendor/ui-kit.mjs";
import uPlot from "./vendor/uplot.mjs";
import { clock, kilowattTicks, moment, percent, price, text, weekday } from "./words.mjs";

const AXIS_PX = 58;
const HEIGHTS = { price: 132, power: 220, levels: 120 };
const NARROW_PX = 600;
const NARROW_S = 12 * 3600;
const STEP_S = 6 * 3600;
const PAST_SHOWN_S = 3 * 3600;

const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = new URL("vendor/uplot.css", import.meta.url);
document.head.append(sheet);
const styled = new Promise((resolve) => sheet.addEventListener("load", resolve, { once: true }));

const stepped = uPlot.paths.stepped({ align: 1 });
const bars = uPlot.paths.bars({ size: [1, Infinity], align: 1 });

/** Steps last until the end of their slot, so the last value before a gap, or the end, is told twice. */
const closed = (values) => [...values, null].map((value, slot) => value ?? values[slot - 1] ?? null);

function priceChart(view, nowS) {
  const count = view.published_count;
  const published = (values) => closed(values.map((value, slot) => (slot < count ? value : null)));
  const expected = (values) => closed(values.map((value, slot) => (slot >= count ? value : null)));
  const [buy, sell] = [token("--buying"), token("--selling")];
  const steps = { paths: stepped, points: { show: false } };
  const words = text.plan;
  const labels = count > 0
    ? [label(1, words.buy, buy), label(3, words.sell, sell)]
    : [label(2, `${words.buy} (${words.expected})`, buy), label(4, `${words.sell} (${words.expected})`, sell)];
  return {
    data: [view.import_eur_per_kwh, view.export_eur_per_kwh].flatMap((values) => [published(values), expected(values)]),
    series: [
      { ...steps, stroke: buy, width: 2, fill: tint(buy, nowS) },
      { ...steps, stroke: buy, width: 2, dash: [5, 4], fill: tint(buy, nowS) },
      { ...steps, stroke: sell, width: 1.5 },
      { ...steps, stroke: sell, width: 1.5, dash: [5, 4] },
    ],
    value: (value) => price(value, view.currency),
    range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(0.05, high ?? 0) * 1.15],
    draw: labels,
  };
}

/** Uses are stacked upwards, the emptying battery downwards; sun and grid are lines. */
function powerChart(view, nowS) {
  const flows = flowsOf(view);
  const isLine = ({ id }) => id === "sun" || id === "grid";
  const stacked = flows.filter((flow) => !isLine(flow));
  const base = view.load_power_w.map(() => 0);
  const areas = stacked.map(({ colour, watts }) => {
    const values = watts.map((value, slot) => (value === null || value < 0 ? null : (base[slot] += value)));
    return { values, colour: token(colour) };
  });
  const emptying = stacked.filter(({ id }) => id === "battery").map(({ colour, watts }) => ({
    values: watts.map((value) => (value === null || value >= 0 ? null : value)), colour: token(colour),
  }));
  const painted = [...emptying, ...areas.reverse()]; // the highest sum first, the lower ones over it
  const lines = flows.filter(isLine);
  const limit = view.import_power_max_w;
  const hidden = { points: { show: false } };
  return {
    data: [...painted.map(({ values }) => [...values, null]), ...lines.map(({ watts }) => closed(watts)), closed(limit)],
    series: [
      ...painted.map(({ colour }) => ({ ...hidden, paths: bars, width: 0, fill: area(colour, nowS) })),
      ...lines.map(({ id, colour }) => ({
        ...hidden, paths: stepped, width: 2, ...(id === "grid" && { dash: [2, 2] }),
        stroke: id === "grid" ? bySign(token("--buying"), token("--selling")) : token(colour),
      })),
      { ...hidden, paths: stepped, width: 1.5, stroke: token("--text"), dash: [8, 4], scale: "y" },
    ],
    value: (watts) => (watts < 0 ? text.plan.out(kilowattTicks(-watts)) : kilowattTicks(watts)),
    range: (u) => powerRange(u, painted.length + lines.length),
    draw: [label(painted.length + lines.length + 1, text.plan.limit, token("--text")), ...lines.map(({ id, name, colour }, index) =>
      label(painted.length + 1 + index, name, id === "grid" ? (watts) => token(watts < 0 ? "--selling" : "--buying") : token(colour)))],
  };
}

/** Room for what flows; the limit only where it is near, because 17 kW of fuse would flatten everything else. */
function powerRange(u, count) {
  const values = u.data.slice(1, 1 + count).flat().filter((value) => value !== null);
  return [Math.min(0, ...values) * 1.3, Math.max(1000, ...values) * 1.12];
}

function levelChart(view, nowS) {
  const levels = levelsOf(view);
  const colour = token("--battery");
  return {
    data: levels.map(({ values }) => [null, ...values]), // at the end of its slot
    series: levels.map((_, index) => ({
      stroke: colour, width: 2, points: { show: false }, ...(index > 0 ? { dash: [6, 3 * index] } : { fill: tint(colour, nowS) }),
    })),
    value: percent,
    range: () => [0, 105],
    draw: levels.map(({ name }, index) => label(index + 1, name, colour)),
  };
}

const CHARTS = { price: priceChart, power: powerChart, levels: levelChart };
const TITLES = { price: text.plan.price, power: text.plan.power, levels: text.plan.levels };

function tickWords(view) {
  return (_, splits) => splits.map((second) => {
    const at = new Date(second * 1000);
    const time = clock(at, view.timezone);
    return time === "00:00" ? weekday(at, view.timezone) : time;
  });
}

function makePlot(name, { view, nowS, span, width, onSlot }, element) {
  const chart = CHARTS[name](view, nowS);
  const starts = Array.from({ length: view.load_power_w.length + 1 }, (_, slot) => slotTime(view, slot) / 1000);
  const axis = { stroke: token("--muted"), font: "12px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: token("--edge"), width: 1 } };
  const options = {
    width,
    height: HEIGHTS[name],
    padding: [name === "price" ? 18 : 10, 12, 0, 0],
    tzDate: (second) => uPlot.tzDate(new Date(second * 1000), view.timezone),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "plan", setSeries: false, scales: ["x", null] } },
    scales: { x: { range: () => span }, y: { range: chart.range } },
    axes: [
      { ...axis, space: 56, size: 26, incrs: [1, 2, 3, 6, 12].map((hours) => hours * 3600), values: tickWords(view) },
      { ...axis, size: AXIS_PX, space: 32, values: (_, splits) => splits.map(chart.value) },
    ],
    series: [{}, ...chart.series],
    hooks: {
      draw: [...chart.draw, nowLine(nowS, name === "price")],
      setCursor: [(u) => u.cursor.idx !== null && u.cursor.left >= 0 && onSlot(u)],
    },
  };
  return new uPlot(options, [starts, ...chart.data], element);
}

function summaryOf(name, view) {
  const words = text.plan.summary;
  if (name === "power") return words.power;
  if (name === "levels") {
    return levelsOf(view).map(({ name: device, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length ? words.levels(device, percent(Math.min(...known)), percent(Math.max(...known))) : text.unknown;
    }).join(". ");
  }
  const prices = view.import_eur_per_kwh;
  const known = prices.filter((value) => value !== null);
  if (known.length === 0) return words.noPrice;
  const told = (value) => [price(value, view.currency), moment(slotTime(view, prices.indexOf(value)), new Date(view.at), view.timezone)];
  return words.price(...told(Math.min(...known)), ...told(Math.max(...known)));
}

function Readout({ view, slot }) {
  const words = text.plan;
  const at = new Date(view.at);
  const [start, end] = [slotTime(view, slot), slotTime(view, slot + 1)];
  const kind = slot < view.past_count ? words.measured : words.planned;
  const priced = slot < view.published_count ? words.published : words.expected;
  return html`<div class="readout"><h3>${moment(start, at, view.timezone)}–${clock(end, view.timezone)}, ${kind}, ${words.priceIs(priced)}</h3>
    <dl>${columnsOf(view).map(({ name, colour, mean }) => html`<div>
      <dt style=${{ "--swatch": `var(${colour})` }}>${name}</dt><dd>${mean([slot])}</dd></div>`)}</dl></div>`;
}

/** Width of an element, now and when it changes; and a count that grows when colours change. */
function useSurroundings(box) {
  const [state, setState] = useState({ width: 0, colours: 0 });
  useEffect(() => {
    const recolour = () => setState((before) => ({ ...before, colours: before.colours + 1 }));
    const sized = new ResizeObserver(([entry]) => setState((before) => ({ ...before, width: Math.floor(entry.contentRect.width) })));
    const themed = new MutationObserver(recolour);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    sized.observe(box.current);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    dark.addEventListener("change", recolour);
    styled.then(recolour);
    return () => {
      sized.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", recolour);
    };
  }, []);
  return state;
}

export function Charts({ view }) {
  const words = text.plan;
  const box = useRef(null);
  const [slot, setSlot] = useState(Math.min(view.past_count, view.load_power_w.length - 1));
  const [shiftS, setShiftS] = useState(0);
  const { width, colours } = useSurroundings(box);
  const count = view.load_power_w.length;
  const nowS = Date.parse(view.at) / 1000;
  const [firstS, lastS] = [slotTime(view, 0) / 1000, slotTime(view, count) / 1000];
  const narrow = width > 0 && innerWidth < NARROW_PX && lastS - firstS > NARROW_S;
  const startS = narrow ? Math.min(Math.max(nowS - PAST_SHOWN_S + shiftS, firstS), lastS - NARROW_S) : firstS;
  const span = useMemo(() => [startS, narrow ? startS + NARROW_S : lastS], [startS, narrow, lastS]);
  const names = Object.keys(CHARTS).filter((name) => name !== "levels" || levelsOf(view).length > 0);
  const plots = useRef([]);

  useEffect(() => {
    if (width === 0) return undefined;
    const onSlot = (u) => setSlot(Math.min(count - 1, Math.max(0, Math.floor((u.posToVal(u.cursor.left, "x") - firstS) / view.slot_s))));
    const elements = [...box.current.querySelectorAll(".plot")];
    plots.current = elements.map((element) => makePlot(element.dataset.name, { view, nowS, span, width, onSlot }, element));
    return () => plots.current.forEach((plot) => plot.destroy());
  }, [view, width, colours, span]);

  const choose = (event) => {
    const chosen = Number(event.target.value);
    setSlot(chosen);
    const middleS = firstS + (chosen + 0.5) * view.slot_s;
    const inSight = middleS >= span[0] && middleS <= span[1];
    plots.current.forEach((plot) => plot.setCursor({ left: inSight ? plot.valToPos(middleS, "x") : -10, top: 10 }, false));
    if (narrow && !inSight) setShiftS(middleS - NARROW_S / 2 - nowS + PAST_SHOWN_S);
  };
  const now = slotTime(view, slot);
  return html`<div class="charts">
    <div ref=${box}>${names.map((name) => html`<div class="chart" key=${name}><h3>${TITLES[name]}</h3>
      <div class="plot" data-name=${name} role="img" aria-label=${summaryOf(name, view)}></div></div>`)}</div>
    ${narrow && html`<div class="actions">
      <button disabled=${startS <= firstS} onClick=${() => setShiftS(startS - nowS + PAST_SHOWN_S - STEP_S)}>${words.earlier}</button>
      <button disabled=${startS >= lastS - NARROW_S} onClick=${() => setShiftS(startS - nowS + PAST_SHOWN_S + STEP_S)}>${words.later}</button></div>`}
    <label class="scrubber"><span>${words.time}</span>
      <input type="range" min="0" max=${count - 1} value=${slot} onInput=${choose}
        aria-valuetext=${moment(now, new Date(view.at), view.timezone)} /></label>
    <${Readout} view=${view} slot=${slot} />
  </div>`;
}
