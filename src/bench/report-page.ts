/** The report's style. The charts take their colours from these variables, too. */
export const style = `
:root {
  color-scheme: light dark;
  --surface: #ffffff; --ink: #1c2128; --muted: #66707c; --line: #c9d0d8; --stripe: #f5f7f9;
  --forward: #3566c8; --backward: #d26a1e; --update: #2a9172;
}
@media (prefers-color-scheme: dark) {
  :root {
    --surface: #15181d; --ink: #e4e8ee; --muted: #98a2af; --line: #3d4651; --stripe: #1c2027;
    --forward: #7fa9f7; --backward: #f0a066; --update: #62c9a6;
  }
}
body { margin: 0; background: var(--surface); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 22px; margin: 0 0 12px; }
h2 { font-size: 18px; margin: 32px 0 4px; }
h3 { font-size: 14px; margin: 20px 0 6px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1px 16px; margin: 0 0 16px; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 18px 0; }
figcaption { font-weight: 600; margin-bottom: 6px; }
.tall { max-height: 640px; overflow-y: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 8px; text-align: left; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; color: var(--muted); font-weight: 600; border-bottom: 1px solid var(--line); }
tbody tr:nth-child(even) { background: var(--stripe); }
.n { text-align: right; }
summary { cursor: pointer; margin: 8px 0; }
select { font: inherit; padding: 2px 6px; }
@media print { .tall { max-height: none; overflow: visible; } }
`;

/** Draws the charts with the colours of the page's theme, again when that changes; runs in the reader's browser. */
export const client = `
const options = JSON.parse(document.getElementById("charts").textContent);
const paint = (value) => {
  if (typeof value === "string")
    return value.startsWith("@") ? getComputedStyle(document.documentElement).getPropertyValue("--" + value.slice(1)).trim() : value;
  if (Array.isArray(value)) return value.map(paint);
  if (value === null || typeof value !== "object") return value;
  const painted = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, paint(inner)]));
  // An axis of powers of ten computes its ends by logarithms: 0.0001 comes out as 0.00009999999999999999.
  if (painted.type !== "log") return painted;
  const formatter = (end) => Number(end.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 9 });
  return { ...painted, axisLabel: { ...painted.axisLabel, formatter } };
};
const drawn = new Map();
const draw = () => {
  for (const [id, option] of Object.entries(options)) {
    const place = document.getElementById(id);
    if (drawn.has(id) || place.offsetParent === null) continue;
    const chart = echarts.init(place, null, { renderer: "svg" });
    chart.setOption(paint(option));
    drawn.set(id, chart);
  }
};
const redraw = () => {
  for (const chart of drawn.values()) chart.dispose();
  drawn.clear();
  draw();
};
const choice = document.getElementById("choice");
const show = () => {
  if (choice === null) return;
  for (const section of document.querySelectorAll(".profile")) section.hidden = section.id !== choice.value;
  draw();
};
if (choice !== null) choice.addEventListener("change", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", () => { for (const chart of drawn.values()) chart.resize(); });
show();
draw();
`;
