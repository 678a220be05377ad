// The screen Plan: what was measured and what comes on one time axis, as charts or as a table with the same numbers.

import { Charts } from "./charts.mjs";
import { forecasts, loadForecasts, loadPlan, plan, planKey, planTrouble, snapshot } from "./house.mjs";
import { columnsOf, hoursOf, slotTime } from "./series.mjs";
import { html, signal, useEffect, useState } from "./vendor/ui-kit.mjs";
import { age, clock, date, moment, money, price, text } from "./words.mjs";

const OLD_S = 30 * 60;
const RETRY_MS = 10_000;
const FORECASTS_MS = 2_000; // behind everything that somebody waits for

const asTable = signal(false);

function Head({ view }) {
  const words = text.plan;
  const { timezone, currency } = view;
  const at = new Date(view.at);
  const end = moment(slotTime(view, view.load_power_w.length), at, timezone);
  const cost = view.cost_eur;
  const made = view.issued_at && clock(new Date(view.issued_at), timezone);
  const ageS = view.issued_at ? (Date.parse(snapshot.value.at) - Date.parse(view.issued_at)) / 1000 : 0;
  return html`<div class="plan-head">
      ${cost !== null && html`<p class="cost">${
        cost < 0 ? words.credit(money(-cost, currency), end) : words.cost(money(cost, currency), end)}</p>
        <p class="muted">${words.costNote}</p>`}
      ${made ? html`<p class="muted">${ageS > OLD_S ? words.stale(made, age(ageS)) : words.made(made)}</p>` : null}
    </div>
    ${!made && html`<p class="warn">${words.none}</p>`}
    ${made && view.origin === "rules" && html`<p class="warn">${words.rules}</p>`}
    ${view.published_count === 0 && html`<p class="warn">${words.noPrices} ${view.price_source}</p>`}
    ${view.unmet.map((wish) => html`<p class="warn">${wish}</p>`)}`;
}

/** Hours as rows, with a row for each new day. */
function Table({ view }) {
  const words = text.plan;
  const columns = columnsOf(view);
  const hours = hoursOf(view);
  let day = "";
  const rows = hours.flatMap(({ slots, start, kind }) => {
    const own = date(start, view.timezone);
    const heading = own === day ? [] : [html`<tr><th colspan=${columns.length + 2} scope="colgroup">${own}</th></tr>`];
    day = own;
    const now = slots.includes(view.past_count);
    return [...heading, html`<tr class=${now ? "current" : kind === words.planned ? "future" : ""}>
      <th scope="row">${clock(start, view.timezone)}</th>
      <td>${now ? words.now : kind}</td>
      ${columns.map((column) => html`<td>${column.mean(slots)}</td>`)}</tr>`];
  });
  return html`<div class="table" tabindex="0" role="region" aria-label=${words.table}><table>
    <caption>${words.caption}</caption>
    <thead><tr><th scope="col">${words.time}</th><th scope="col">${words.what}</th>
      ${columns.map((column) => html`<th scope="col">${column.name}</th>`)}</tr></thead>
    <tbody>${rows}</tbody></table></div>`;
}

/** "14:15–18:00", with the day where it is another one. */
const span = (block, view) =>
  `${moment(new Date(block.start_at), new Date(view.at), view.timezone)}–${clock(new Date(block.end_at), view.timezone)}`;

function Blocks({ view, device }) {
  const words = text.plan;
  const blocks = view.blocks.filter((block) => block.device_id === device.id);
  const worth = blocks.some((block) => block.value_eur_per_kwh !== null);
  return html`<details class="why"><summary>${words.whyOf(device.name)}</summary>
    <div class="table" tabindex="0" role="region" aria-label=${words.whyOf(device.name)}><table>
      <thead><tr><th scope="col">${words.does}</th><th scope="col">${words.because}</th>
        ${worth && html`<th scope="col">${words.worth}</th>`}</tr></thead>
      <tbody>${blocks.map((block) => html`<tr>
        <th scope="row">${span(block, view)}<br/>${block.what}</th><td>${block.why}</td>
        ${worth && html`<td>${price(block.value_eur_per_kwh, view.currency)}</td>`}</tr>`)}</tbody></table></div>
    ${worth && html`<p class="muted">${words.whyNote}</p>`}</details>`;
}

/** What each device does when, and why. */
function Why({ view }) {
  const explained = view.devices.filter((device) => view.blocks.some((block) => block.device_id === device.id));
  if (!explained.length) return null;
  return html`<h3>${text.plan.why}</h3>
    ${explained.map((device) => html`<${Blocks} key=${device.id} view=${view} device=${device} />`)}`;
}

function Changed({ changed }) {
  if (!changed) return null;
  const lines = [...changed.devices, ...changed.inputs];
  return html`<p class="changed">${changed.text}</p>
    ${lines.length > 0 && html`<details class="why"><summary>${text.plan.changedDetails}</summary>
      <ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></details>`}`;
}

/** How good the forecasts are that the plan is made with. */
function Forecasts() {
  const known = forecasts.value;
  if (known === null) return null;
  const words = text.plan.forecasts;
  return html`<h3>${words.title}</h3>
    ${known.forecasts.map((each) => html`<p key=${each.series}>${each.sentence}</p>`)}
    <p class="muted">${words.note}</p>`;
}

export function Plan() {
  const words = text.plan;
  const [attempt, setAttempt] = useState(0);
  const wanted = planKey.value;
  useEffect(() => void loadPlan(), [wanted, attempt]);
  useEffect(() => {
    const timer = setTimeout(loadForecasts, FORECASTS_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  const trouble = planTrouble.value;
  useEffect(() => {
    if (!trouble) return undefined;
    const timer = setTimeout(() => setAttempt(attempt + 1), RETRY_MS);
    return () => clearTimeout(timer);
  }, [trouble, attempt]);
  const view = plan.value;
  return html`<section class="card plan" aria-labelledby="plan"><h2 id="plan">${words.title}</h2>
    ${trouble && html`<p class="warn">${words.failed}</p>`}
    ${view === null ? html`<p>${words.loading}</p>` : html`<${Head} view=${view} /><${Changed} changed=${view.changed} />
      <div class="actions"><button aria-pressed=${asTable.value} onClick=${() => (asTable.value = !asTable.value)}>${words.showTable}</button></div>
      ${asTable.value ? html`<${Table} view=${view} />` : html`<${Charts} view=${view} />`}
      <${Why} view=${view} /><${Forecasts} />`}
  </section>`;
}
