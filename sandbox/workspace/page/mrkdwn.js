// Slack's mrkdwn as elements.
import { decoded, el, link } from "./dom.js";
import { emoji } from "./emoji.js";

const TOKEN = new RegExp(
  [
    "`([^`\\n]+)`",
    "<([^<>\\n]+)>",
    ":([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):",
    "(?<![\\w*])\\*(?=\\S)([^*\\n]*[^\\s*])\\*(?![\\w*])",
    "(?<![\\w_])_(?=\\S)([^_\\n]*[^\\s_])_(?![\\w_])",
    "(?<![\\w~])~(?=\\S)([^~\\n]*[^\\s~])~(?![\\w~])",
  ].join("|"),
  "g",
);

// `names` is the overview: users, groups, channels.
export function mrkdwn(text, names) {
  const parts = [];
  for (const [n, piece] of text.split(/```\n?([\s\S]*?)\n?```\n?/).entries()) {
    if (n % 2) parts.push(el("pre", {}, decoded(piece)));
    else if (piece) parts.push(...lines(piece, names));
  }
  return parts;
}

// Lines that begin with > are quoted; the rest keeps its breaks.
function lines(text, names) {
  const parts = [];
  let quote = null;
  let plain = [];
  const flush = () => {
    if (plain.length) parts.push(el("span", { class: "text" }, ...inline(plain.join("\n"), names)));
    plain = [];
  };
  for (const line of text.split("\n")) {
    const quoted = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (!quoted) {
      quote = null;
      plain.push(line);
      continue;
    }
    flush();
    if (quote) quote.append(el("br"));
    else parts.push((quote = el("blockquote")));
    quote.append(...inline(quoted[1], names));
  }
  flush();
  return parts;
}

function inline(text, names) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, code, angle, short, bold, italic, strike] = match;
    const made =
      code !== undefined ? el("code", {}, decoded(code))
      : angle !== undefined ? reference(angle, names)
      : short !== undefined ? glyph(short)
      : bold !== undefined ? el("strong", {}, ...inline(bold, names))
      : italic !== undefined ? el("em", {}, ...inline(italic, names))
      : el("s", {}, ...inline(strike, names));
    if (made === null) continue;
    parts.push(decoded(text.slice(last, match.index)), made);
    last = match.index + whole.length;
  }
  parts.push(decoded(text.slice(last)));
  return parts;
}

function glyph(short) {
  const found = emoji(short);
  return found ? el("span", { class: "emoji", title: `:${short}:`, role: "img", "aria-label": short }, found) : null;
}

export function plain(text) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(/:([a-z0-9_+'-]+):/g)) {
    const made = glyph(match[1]);
    if (!made) continue;
    parts.push(decoded(text.slice(last, match.index)), made);
    last = match.index + match[0].length;
  }
  parts.push(decoded(text.slice(last)));
  return parts;
}

const mention = (words) => el("span", { class: "mention" }, words);

function reference(inside, names) {
  const [target, label] = [inside.split("|")[0], inside.split("|").slice(1).join("|")];
  if (target.startsWith("@")) {
    const user = names.users[target.slice(1)];
    return mention(`@${user ? user.name : label || target.slice(1)}`);
  }
  if (target.startsWith("#")) {
    const channel = names.channels.find((one) => one.id === target.slice(1));
    return mention(`#${channel ? channel.name : label || target.slice(1)}`);
  }
  if (target.startsWith("!subteam^")) {
    const group = names.groups[target.slice("!subteam^".length)];
    return mention(`@${group ? group.handle : label.replace(/^@/, "") || target.slice(9)}`);
  }
  if (target.startsWith("!date^")) return when(target, label);
  if (target.startsWith("!")) return mention(`@${target.slice(1)}`);
  return link(target, decoded(label || target));
}

// <!date^1700000000^{date_short} at {time}|fallback>
function when(target, fallback) {
  const [, seconds, format] = target.split("^");
  const moment = new Date(Number(seconds) * 1000);
  if (Number.isNaN(moment.getTime()) || !format) return el("span", {}, decoded(fallback));
  const say = (options) => new Intl.DateTimeFormat("en-GB", options).format(moment);
  const day = { day: "numeric", month: "short", year: "numeric" };
  const words = {
    time: say({ hour: "2-digit", minute: "2-digit" }),
    time_secs: say({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    date_num: say({ year: "numeric", month: "2-digit", day: "2-digit" }),
  };
  const shown = format.replace(/\{(\w+)\}/g, (_, key) => words[key] ?? say(day));
  return el("time", { datetime: moment.toISOString(), title: moment.toString() }, decoded(shown));
}

// The same without elements, for places that take text alone.
export const words = (text) => plain(text).map((part) => (typeof part === "string" ? part : part.textContent)).join("");
