// What is drawn on the charts beside the curves: colours that change at now or at zero, the line of now, words at lines.

import { text } from "./words.mjs";

const PLANNED_RATIO = 0.45;
const TINT_RATIO = 0.35;
const PALE_TINT_RATIO = 0.15;
const LABEL_PX = 60;
const TEXT_HEIGHT_PX = 16;

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour between the role and the card: opaque, because stacked areas are painted over one another. */
function mixed(colour, ratio) {
  const parts = (hex) => hex.match(hex.length === 4 ? /[\da-f]/gi : /[\da-f]{2}/gi).map((part) => parseInt(part.length === 1 ? part + part : part, 16));
  const [from, to] = [parts(token("--card")), parts(colour)];
  return `rgb(${from.map((value, index) => Math.round(value + (to[index] - value) * ratio)).join(" ")})`;
}

/** Two colours with a sharp edge at a place on the canvas, along x or y. */
function split(u, [x0, y0, x1, y1], ratio, before, after) {
  const gradient = u.ctx.createLinearGradient(x0, y0, x1, y1);
  const at = Math.min(1, Math.max(0, Number.isFinite(ratio) ? ratio : 0));
  gradient.addColorStop(0, before);
  gradient.addColorStop(at, before);
  gradient.addColorStop(at, after);
  gradient.addColorStop(1, after);
  return gradient;
}

/** Measured full, planned lighter. */
const untilNow = (nowS, measured, planned) => (u) => {
  const { left, width } = u.bbox;
  return split(u, [left, 0, left + width, 0], (u.valToPos(nowS, "x", true) - left) / width, measured, planned);
};

export const area = (colour, nowS) => untilNow(nowS, colour, mixed(colour, PLANNED_RATIO));
export const tint = (colour, nowS) => untilNow(nowS, mixed(colour, TINT_RATIO), mixed(colour, PALE_TINT_RATIO));

/** One colour above zero, another below. */
export const bySign = (above, below) => (u) => {
  const { top, height } = u.bbox;
  return split(u, [0, top, 0, top + height], (u.valToPos(0, "y", true) - top) / height, above, below);
};

const font = () => `${12 * devicePixelRatio}px system-ui, sans-serif`;

function textWidth(u, words) {
  u.ctx.font = font();
  return u.ctx.measureText(words).width;
}

function write(u, words, x, y, colour, align = "left") {
  const { ctx } = u;
  ctx.font = font();
  ctx.textAlign = align;
  ctx.textBaseline = "bottom";
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = token("--card");
  ctx.strokeText(words, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(words, x, y);
}

/** The line of now, and on the first chart what lies on either side of it. */
export const nowLine = (nowS, labelled) => (u) => {
  const x = Math.round(u.valToPos(nowS, "x", true));
  const { left, top, width, height } = u.bbox;
  if (x < left || x > left + width) return;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = token("--text");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
  ctx.setLineDash([]);
  if (labelled) {
    const gap = 6 * devicePixelRatio;
    const y = top - 3 * devicePixelRatio;
    if (x - left > LABEL_PX * devicePixelRatio) write(u, text.plan.measured, x - gap, y, token("--muted"), "right");
    if (left + width - x > LABEL_PX * devicePixelRatio) write(u, text.plan.planned, x + gap, y, token("--muted"));
  }
  ctx.restore();
};

/** A word at a line, where in sight the line is farthest from zero. */
export const label = (series, words, colour) => (u) => {
  const { left, width } = u.bbox;
  const edge = LABEL_PX * devicePixelRatio;
  let best = null;
  u.data[0].forEach((second, slot) => {
    const value = u.data[series][slot];
    const x = u.valToPos(second, "x", true);
    if (value === null || x < left || x > left + width - edge) return;
    const y = u.valToPos(value, "y", true);
    if (y < u.bbox.top) return; // beyond what is shown, as a fuse of 17 kW mostly is
    if (best === null || Math.abs(value) > Math.abs(best.value)) best = { x, y, value };
  });
  if (best === null) return;
  const fitsAbove = best.y > TEXT_HEIGHT_PX * devicePixelRatio;
  const y = best.y + (best.value >= 0 && fitsAbove ? -3 : 16) * devicePixelRatio;
  u.ctx.save();
  const x = Math.min(best.x, left + width - textWidth(u, words));
  write(u, words, x, y, typeof colour === "string" ? colour : colour(best.value));
  u.ctx.restore();
};
