// One message in a list.
import { call, el, toast } from "./dom.js";
import { attachments, blocks } from "./blocks.js";
import { emoji } from "./emoji.js";
import { file } from "./file.js";
import { mrkdwn } from "./mrkdwn.js";

const moment = (ts) => new Date(Number(ts) * 1000);
const clock = (ts) => moment(ts).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
export const day = (ts) => moment(ts).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" });

// A message without its day line and its place; `page` has the names, the person, and what opens a thread.
export function draw(message, page, { replies = [], inThread = false } = {}) {
  const user = page.names.users[message.user] ?? { name: message.user, real_name: message.user };
  const bot = message.user === "U0MUSTER" || message.user === "USLACKBOT";
  const node = el("li", {
    class: `message ${message.ephemeral_to ? "ephemeral" : ""} ${message.deleted ? "gone" : ""}`,
    "data-ts": message.ts,
    "data-change": message.change,
    "data-user": message.user,
    "data-blocks": message.blocks.length ? "yes" : null,
  });
  const when = el("time", { datetime: moment(message.ts).toISOString(), title: moment(message.ts).toString() }, clock(message.ts));
  node.append(
    el("div", { class: `face ${bot ? "bot" : ""} c${hue(message.user)}`, "aria-hidden": true }, user.real_name.slice(0, 1)),
    el("div", { class: "content" },
      message.ephemeral_to
        ? el("div", { class: "only" }, "Only visible to you", message.edited ? el("span", {}, " · replaced in place") : null)
        : null,
      el("div", { class: "by" }, el("b", {}, user.real_name), bot ? el("span", { class: "app" }, "APP") : null, when),
      el("div", { class: "said" }, ...said(message, page)),
      reactions(message),
      !inThread && replies.length ? summary(message, replies, page) : null),
    message.deleted ? "" : tools(message, page, inThread));
  return node;
}

function said(message, page) {
  if (message.deleted) return [el("em", { class: "quiet" }, "This message was deleted.")];
  const context = { names: page.names, click: (...clicked) => click(message, page, ...clicked) };
  const parts = message.blocks.length ? blocks(message.blocks, context) : mrkdwn(message.text, page.names);
  parts.push(...attachments(message.attachments, context), ...(message.files ?? []).map(file));
  if (message.edited && !message.ephemeral_to) parts.push(el("span", { class: "edited" }, "(edited)"));
  return parts;
}

async function click(message, page, action, block, value) {
  try {
    const run = await call("click", { user: page.user, ts: message.ts, channel: message.channel, action, block, value });
    if (run.error) toast(run.notice ?? run.error);
  } catch (error) {
    toast(error.message);
  }
}

function reactions(message) {
  const list = Object.entries(message.reactions);
  if (!list.length) return null;
  return el("div", { class: "reactions" }, list.map(([name, users]) =>
    el("span", { title: `:${name}:` }, `${emoji(name) ?? `:${name}:`} ${users.length}`)));
}

function summary(message, replies, page) {
  const last = replies[replies.length - 1];
  const count = `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`;
  return el("button", { class: "replies", type: "button", onclick: () => page.openThread(message.ts) },
    count, el("span", { class: "quiet" }, ` last at ${clock(last.ts)}`));
}

function tools(message, page, inThread) {
  const remove = () => call("delete", { ts: message.ts }).catch((error) => toast(error.message));
  return el("div", { class: "tools" },
    inThread || message.ephemeral_to ? null
      : el("button", { type: "button", onclick: () => page.openThread(message.ts) }, "Reply in thread"),
    el("button", { type: "button", onclick: remove }, message.ephemeral_to ? "Dismiss" : "Delete"));
}

const hue = (id) => [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
