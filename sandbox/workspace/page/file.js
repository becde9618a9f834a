// A file below a message: its name, size, a preview of pictures, tables and text, and a download.
import { el } from "./dom.js";

const ROWS = 6;
const PICTURES = ["image/png", "image/jpeg", "image/gif"];

export function file(one) {
  return el("div", { class: "file" },
    el("div", { class: "file-name" },
      el("span", { class: "kind", "aria-hidden": true }, badge(one)),
      el("div", { title: one.title }, el("b", {}, one.title), el("div", { class: "quiet" }, about(one))),
      el("a", { class: "button", href: `${one.url}?download=1`, download: one.name }, "Download")),
    preview(one));
}

const badge = (one) => (one.name.includes(".") ? one.name.split(".").pop() : "file").slice(0, 4).toUpperCase();

function about(one) {
  const rows = one.mimetype === "text/csv" ? `, ${Math.max(0, one.lines - 1).toLocaleString("en-GB")} rows` : "";
  return `${one.pretty_type}, ${size(one.size)}${rows}`;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function preview(one) {
  if (PICTURES.includes(one.mimetype)) return picture(one);
  if (!one.preview) return null;
  if (one.mimetype !== "text/csv") return el("pre", {}, one.preview + (one.preview_is_truncated ? "\n…" : ""));
  const whole = one.preview_is_truncated ? one.preview.slice(0, one.preview.lastIndexOf("\n") + 1) : one.preview;
  const [titles, ...rows] = table(whole).slice(0, ROWS + 1);
  const left = Math.max(0, one.lines - 1 - rows.length);
  return el("div", { class: "sheet" },
    el("table", {},
      el("thead", {}, el("tr", {}, titles.map((cell) => el("th", {}, cell)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))),
    left ? el("div", { class: "quiet" }, `and ${left.toLocaleString("en-GB")} more rows`) : null);
}

// In a thread there is little room: a click shows it alone, in its full size.
const picture = (one) => el("a", { href: one.url, target: "_blank", rel: "noopener", title: "Open in full size" },
  el("img", { src: one.url, alt: one.title }));

// CSV as RFC 4180 has it: quoted cells may hold commas, line ends and doubled quotes.
function table(text) {
  const rows = [[]];
  let last = null;
  for (const [whole, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (!whole && last !== ",") break;
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
    last = end;
  }
  return rows.filter((row) => row.length);
}
