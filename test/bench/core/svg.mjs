/**
 * Charts as SVG text, readable on light and dark pages: lines with bands over a linear or logarithmic axis, a legend on the right.
 * @typedef {{ label: string, points: [x: number, y: number, low?: number, high?: number][], dash?: boolean }} Line
 * @param {{ title: string, x: string, y: string, lines: Line[], logX?: boolean, logY?: boolean }} chart
 */
export function lineChart({ title, x, y, lines, logX = false, logY = false }) {
  const all = lines.flatMap(({ points }) => points);
  const scaleX = scale(
    all.map(([value]) => value),
    logX,
    [left, left + width],
  );
  const values = all.flatMap(([, value, low, high]) => [value, low ?? value, high ?? value]);
  const scaleY = scale(values, logY, [top + height, top]);
  const parts = [
    ...scaleX.ticks.map((t) => `<path class="grid" d="M${n(scaleX.at(t))} ${top}v${height}"/>`),
    ...scaleY.ticks.map((t) => `<path class="grid" d="M${left} ${n(scaleY.at(t))}h${width}"/>`),
    ...scaleX.ticks.map((t) => text(scaleX.at(t), top + height + 18, format(t), 'middle')),
    ...scaleY.ticks.map((t) => text(left - 8, scaleY.at(t) + 4, format(t), 'end')),
    text(left + width / 2, top + height + 40, x, 'middle'),
    `<text transform="translate(16 ${top + height / 2}) rotate(-90)" text-anchor="middle">${escape(y)}</text>`,
    `<text class="title" x="${left}" y="22">${escape(title)}</text>`,
    ...lines.map((line, k) => band(line, k, scaleX, scaleY)),
    ...lines.map((line, k) => path(line, k, scaleX, scaleY)),
    ...lines.map((line, k) => legend(line, k)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 240} ${top + height + 54}" font-family="sans-serif" font-size="12">
<style>text{fill:#555}.title{font-size:14px;font-weight:600}.grid{stroke:#8884;fill:none}.line{fill:none;stroke-width:2}.band{opacity:.12}
rect{fill:#fff}@media (prefers-color-scheme:dark){text{fill:#bbb}rect{fill:#1e1e1e}}</style>
<rect width="100%" height="100%"/>
${parts.filter(Boolean).join('\n')}
</svg>
`;
}

const [left, top, width, height] = [72, 36, 560, 320];

/** Okabe and Ito's colours, which people with colour blindness can tell apart; repeated with dashes. */
const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8a8a00', '#777777'];
const color = (k) => colors[k % colors.length];
const n = (value) => Number(value.toFixed(1));
const escape = (label) => label.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const text = (x, y, label, anchor) => `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${escape(label)}</text>`;
const format = (value) =>
  value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0) : Number(value.toPrecision(4)).toLocaleString('en');
const dashes = (line, k) => (line.dash === true || k >= colors.length ? ' stroke-dasharray="5 4"' : '');

function path(line, k, scaleX, scaleY) {
  const d = line.points.map(([x, y]) => `${n(scaleX.at(x))} ${n(scaleY.at(y))}`).join('L');
  return d === '' ? '' : `<path class="line" stroke="${color(k)}"${dashes(line, k)} d="M${d}"/>`;
}

function band({ points }, k, scaleX, scaleY) {
  const ends = points.filter(([, , low, high]) => low !== undefined && high !== undefined);
  if (ends.length === 0) return '';
  const above = ends.map(([x, , , high]) => `${n(scaleX.at(x))} ${n(scaleY.at(high))}`);
  const below = ends.map(([x, , low]) => `${n(scaleX.at(x))} ${n(scaleY.at(low))}`).toReversed();
  return `<path class="band" fill="${color(k)}" d="M${[...above, ...below].join('L')}Z"/>`;
}

function legend(line, k) {
  const y = top + 10 + k * 19;
  const x = left + width + 14;
  return `<path class="line" stroke="${color(k)}"${dashes(line, k)} d="M${x} ${y}h22"/>${text(x + 28, y + 4, line.label, 'start')}`;
}

function scale(values, isLog, [from, to]) {
  const finite = values.filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const warp = isLog ? Math.log10 : (value) => value;
  const [a, b] = [warp(low), warp(high) === warp(low) ? warp(low) + 1 : warp(high)];
  const at = (value) => from + ((warp(Math.max(value, isLog ? low : -Infinity)) - a) / (b - a)) * (to - from);
  return { at, ticks: isLog ? logTicks(low, high) : linearTicks(low, high) };
}

function logTicks(low, high) {
  const ticks = [];
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const step of steps) ticks.push(step * 10 ** power);
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

function linearTicks(low, high) {
  const raw = (high - low || 1) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-6; tick += step)
    ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}
