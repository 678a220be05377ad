// The frame around the screens: name, status pill, messages, navigation, appearance.

import { follow, freshness, lost, snapshot } from "./house.mjs";
import { Icon, Now } from "./now.mjs";
import { effect, html, render, signal, useEffect, useState } from "./vendor/ui-kit.mjs";
import { age, text } from "./words.mjs";

const PAGES = ["now", "plan"];
const THEMES = ["auto", "light", "dark"];
const SHAPES = { waiting: "○", live: "●", delayed: "◐", lost: "▲", problem: "■" };
const LEVELS = ["problem", "limit", "event", "info"];

const pageOf = (hash) => PAGES.find((page) => hash === `#/${page}`) ?? "now";
const page = signal(pageOf(location.hash));
const theme = signal(stored() ?? "auto");
const wide = matchMedia("(min-width: 1280px)");
const roomForBoth = signal(wide.matches);
wide.addEventListener("change", () => (roomForBoth.value = wide.matches));

function stored() {
  try {
    return THEMES.find((each) => each === localStorage.getItem("theme"));
  } catch {
    return undefined; // a browser that keeps nothing
  }
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem("theme", theme.value);
  } catch {
    // the choice lasts as long as the page
  }
});

function Pill() {
  const { kind, text: words, detail } = freshness.value;
  return html`<p class="pill ${kind}">
    <span aria-hidden="true" class="shape">${SHAPES[kind]}</span>
    <span role="status">${words}</span>
    ${detail !== "" && html`<span class="ticking">, ${age(detail)}</span>`}
  </p>`;
}

function Theme() {
  const label = text.theme[theme.value];
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
  return html`<button class="quiet" aria-label=${label} title=${label} onClick=${() => (theme.value = next)}>
    <${Icon} name="theme" />
  </button>`;
}

/** The most important message; the others are one tap away. */
function Messages() {
  const house = snapshot.value;
  const own = house.clock_trusted ? [] : [{ level: "info", text: text.clock }];
  const all = [...house.notices, ...own].sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
  const [first, ...others] = all;
  return html`<div class="messages" aria-live="polite">
    ${first && html`<div class="banner ${first.level}"><p>${first.text}</p>
      ${others.length > 0 && html`<details><summary>${text.more(others.length)}</summary>
        <ul>${others.map((each) => html`<li>${each.text}</li>`)}</ul></details>`}</div>`}
  </div>`;
}

/** The plan's screen comes with the charts, which Now on a phone does not need. */
function Later() {
  const [screen, setScreen] = useState(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import("./plan.mjs").then((found) => setScreen(() => found.Plan), () => setFailed(true));
  }, []);
  if (screen) return html`<${screen} />`;
  return html`<section class="card"><h2>${text.plan.title}</h2>
    <p>${failed ? text.plan.outdated : text.plan.loading}</p></section>`;
}

function Screen() {
  if (page.value === "plan") return html`<div class="screen only"><${Later} /></div>`;
  if (roomForBoth.value) return html`<div class="screen both"><${Now} /><${Later} /></div>`;
  return html`<div class="screen"><${Now} /></div>`;
}

function App() {
  const house = snapshot.value;
  useEffect(() => {
    document.title = house ? `${text.pages[page.value]} · ${house.site}` : text.pages[page.value];
  }, [house?.site, page.value]);
  return html`<a class="skip" href="#content" onClick=${skip}>${text.skip}</a>
    <header class="top">
      <h1>${house?.site ?? "…"}</h1>
      <${Theme} /><${Pill} />
      ${house?.simulated && html`<p class="simulated">${text.simulated(house.simulated)}</p>`}
    </header>
    <main id="content" tabindex="-1" class=${lost.value ? "stale" : ""}>
      ${house === null
        ? html`<p class="card">${text.loading}</p>`
        : html`<${Messages} />${lost.value && html`<p class="offline">${text.noContact}</p>`}<${Screen} />`}
    </main>
    <nav aria-label=${text.navigation}>
      ${PAGES.map((each) => html`<a href="#/${each}" aria-current=${each === page.value ? "page" : undefined}>
        <${Icon} name=${each} /><span>${text.pages[each]}</span></a>`)}
    </nav>`;
}

function skip(event) {
  event.preventDefault(); // the address names the screen
  document.getElementById("content").focus();
}

addEventListener("hashchange", () => {
  page.value = pageOf(location.hash);
  scrollTo(0, 0);
});
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
follow();
