// "Charge now until …": the price is shown before anybody can confirm, and there is always an end.

import { chargeNow, lost, newKey, quote, snapshot } from "./house.mjs";
import { html, useEffect, useRef, useState } from "./vendor/ui-kit.mjs";
import { clock, energy, moment, money, text } from "./words.mjs";

const HOURS = [1, 2, 4];
const FIRST_CHOICE = 1; // two hours
const ROUND_MS = 5 * 60_000;
const QUARTER_MS = 15 * 60_000;
const MORNING = "07:00";

/** Ends to choose from, rounded up to five minutes; the last one is the next 07:00 on the house's own clock. */
function endsAfter(at, zone) {
  const words = text.override;
  const spans = HOURS.map((hours) => {
    const end = new Date(Math.ceil((at.getTime() + hours * 3_600_000) / ROUND_MS) * ROUND_MS);
    return { end, label: words.preset(words.hours(hours), moment(end, at, zone)) };
  });
  const first = Math.ceil((at.getTime() + QUARTER_MS) / QUARTER_MS) * QUARTER_MS;
  for (let quarter = 0; quarter < 95; quarter += 1) {
    const end = new Date(first + quarter * QUARTER_MS);
    if (clock(end, zone) === MORNING) return [...spans, { end, label: words.morning(moment(end, at, zone)) }];
  }
  return spans;
}

function priceWords({ energy_wh, extra_cost_eur, priced_until_at, until_at }, { currency, timezone, at }) {
  const words = text.override;
  const rounded = extra_cost_eur === null ? null : Math.round(extra_cost_eur * 20) / 20;
  const cost =
    rounded === null ? words.unpriced
      : rounded === 0 ? words.same
        : rounded > 0 ? words.more(money(rounded, currency)) : words.less(money(-rounded, currency));
  const expected = Date.parse(until_at) > Date.parse(priced_until_at);
  const note = expected ? ` ${words.expected(moment(new Date(priced_until_at), new Date(at), timezone))}` : "";
  return `${words.energy(energy(energy_wh))}, ${cost}.${note}`;
}

export function Dialog({ device, onClose }) {
  const box = useRef(null);
  const [house] = useState(snapshot.value); // the times to choose from stay while it is open
  const [ends] = useState(() => endsAfter(new Date(house.at), house.timezone));
  const [choice, setChoice] = useState(FIRST_CHOICE);
  const [offer, setOffer] = useState(null);
  const [trouble, setTrouble] = useState("");
  const [sending, setSending] = useState(false);
  const [key] = useState(() => ends.map(newKey)); // pressing twice is one command
  const until = ends[choice].end.toISOString();

  useEffect(() => {
    box.current.showModal();
    box.current.querySelector("input:checked").focus();
  }, []);
  useEffect(() => {
    let current = true;
    setOffer(null);
    setTrouble("");
    quote(device.id, until).then(
      (found) => current && setOffer(found),
      (error) => current && setTrouble(error.message),
    );
    return () => (current = false);
  }, [until]);

  const confirm = async () => {
    setSending(true);
    setTrouble("");
    try {
      await chargeNow(device.id, until, key[choice]);
      box.current.close();
    } catch (error) {
      setTrouble(text.override.failed(error.message));
      setSending(false);
    }
  };
  const words = text.override;
  return html`<dialog ref=${box} aria-labelledby="override-title" onClose=${onClose}>
    <h2 id="override-title">${words.title(device.name)}</h2>
    <fieldset><legend>${words.until}</legend>
      ${ends.map(({ label }, index) => html`<label class="option">
        <input type="radio" name="until" checked=${index === choice} disabled=${sending}
          onChange=${() => setChoice(index)} /> ${label}</label>`)}
    </fieldset>
    <p class="offer" role="status" id="offer">${offer ? priceWords(offer, house) : trouble ? "" : words.asking}</p>
    <p class="trouble" role="alert">${lost.value ? text.noContact : trouble}</p>
    <div class="actions">
      <button class="main" aria-describedby="offer" disabled=${!offer || sending || lost.value} onClick=${confirm}>${words.confirm}</button>
      <button onClick=${() => box.current.close()}>${words.cancel}</button>
    </div>
  </dialog>`;
}
