// The page: which person, which channel, what is shown, and what changes live.
import { call, el, toast } from "./dom.js";
import { Composer } from "./composer.js";
import { groups } from "./groups.js";
import { home } from "./home.js";
import { List } from "./list.js";
import { draw } from "./message.js";
import { Modal } from "./modal.js";

const at = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const permalink = location.pathname.match(/^\/archives\/(\w+)\/p(\d+)(\d{6})$/);

const page = {
  user: asked.get("user") ?? localStorage.getItem("user") ?? "U0OPERATOR",
  channel: permalink?.[1] ?? asked.get("channel") ?? "C0FLEETOPS",
  thread: asked.get("thread"),
  tab: asked.get("tab") ?? "messages",
  names: null,
  hints: [],
  loads: 0,
  heard: [],
  messages: new Map(),
  latest: new Map(),
  openThread,
};

const main = new List(at("messages"), at("scroll"));
const side = new List(at("replies"), at("thread").querySelector(".scroll"));
const modal = new Modal(at("modal"), page);
const slash = () => page.names?.slash ?? "/fleet";
const known = () => page.hints;
const composer = new Composer(at("composer"), { slash, known, send: (words) => say(words, null) });
const reply = new Composer(at("reply"), { slash, known, send: (words) => say(words, page.thread) });
reply.box.placeholder = "Reply, or mention @Muster";

// -- doing

async function say(words, thread) {
  const where = { user: page.user, channel: page.channel, text: words, thread_ts: thread };
  try {
    if (!words.startsWith("/")) {
      await call("write", where);
      return;
    }
    const run = await call("command", { ...where, wait: 0 });
    if (run.error) toast(run.notice ?? run.error);
  } catch (error) {
    toast(error.message);
  }
}

// -- showing

const replies = (ts) => [...page.messages.values()]
  .filter((one) => one.thread_ts === ts && one.ts !== ts && !one.deleted)
  .sort((one, other) => (one.ts < other.ts ? -1 : 1));

const isReply = (message) => message.thread_ts && message.thread_ts !== message.ts;

function show(message) {
  page.messages.set(message.ts, message);
  if (isReply(message)) {
    const parent = page.messages.get(message.thread_ts);
    if (parent) main.put(parent.ts, draw(parent, page, { replies: replies(parent.ts) }));
    if (page.thread === message.thread_ts) side.put(message.ts, draw(message, page, { inThread: true }));
    // An ephemeral answer in a thread that is not open would be missed.
    if (message.ephemeral_to && page.thread !== message.thread_ts) main.put(message.ts, draw(message, page));
    return;
  }
  main.put(message.ts, draw(message, page, { replies: replies(message.ts) }));
  if (page.thread === message.ts) side.put(message.ts, draw(message, page, { inThread: true }));
}

function hide(message) {
  const kept = replies(message.ts).length > 0;
  if (kept) return show(message);
  page.messages.delete(message.ts);
  main.remove(message.ts);
  side.remove(message.ts);
  const parent = isReply(message) ? page.messages.get(message.thread_ts) : null;
  if (parent) main.put(parent.ts, draw(parent, page, { replies: replies(parent.ts) }));
}

function openThread(ts) {
  page.thread = ts;
  at("thread").hidden = !ts;
  side.clear();
  if (!ts) return composer.box.focus();
  const parent = page.messages.get(ts);
  for (const one of [parent, ...replies(ts)]) if (one) side.put(one.ts, draw(one, page, { inThread: true }));
  side.toEnd();
  reply.box.focus();
}

const title = (channel) => (channel.is_im ? "Muster" : `# ${channel.name}`);

// Draws only what looks different by now: a button that is drawn anew loses the click that is under way.
const looks = new WeakMap();
function redraw(where, shown, draw) {
  const look = JSON.stringify(shown);
  if (looks.get(where) === look) return;
  looks.set(where, look);
  where.replaceChildren(...draw());
}

function drawSide() {
  const { users, personas, channels, connections } = page.names;
  redraw(at("persona"), [page.user, personas], () => personas.map((id) =>
    el("option", { value: id, selected: id === page.user }, users[id].real_name)));
  const entry = (one) => el("li", {}, el("button", {
    type: "button",
    class: `${one.id === page.channel ? "here" : ""} ${one.unread ? "unread" : ""}`,
    "aria-current": one.id === page.channel ? "page" : null,
    onclick: () => openChannel(one.id),
  }, title(one), one.unread ? el("span", { class: "count" }, one.unread > 98 ? "99+" : one.unread) : null));
  const list = (where, ones) => redraw(at(where), [page.channel, ones], () => ones.map(entry));
  list("channels", channels.filter((one) => !one.is_im));
  list("ims", channels.filter((one) => one.is_im));
  at("groups").replaceChildren(...groups(page.names));
  const channel = here();
  drawTabs(channel);
  at("title").textContent = title(channel);
  at("topic").textContent = channel.is_im ? "Only you and Muster" : channel.topic;
  at("bot").textContent = connections ? `Muster is connected (${connections})` : "Muster is not connected";
  at("bot").className = connections ? "on" : "off";
  composer.box.placeholder = `Message ${channel.is_im ? "Muster" : `#${channel.name}`}, or type ${slash()}`;
  const unread = channels.reduce((sum, one) => sum + one.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${title(channel)} · Muster sandbox`;
}

// Direct messages with Muster have a second tab, its Home.
function drawTabs(channel) {
  const onHome = channel.is_im && page.tab === "home";
  at("tabs").hidden = !channel.is_im;
  for (const tab of at("tabs").children) tab.setAttribute("aria-selected", tab.dataset.tab === (onHome ? "home" : "messages"));
  at("home").hidden = !onHome;
  at("scroll").hidden = at("composer").hidden = onHome;
}

function drawSurfaces() {
  modal.show(page.names.modals);
  redraw(at("home"), [page.user, page.names.home ?? null], () => home(page.names.home, page));
}

function openTab(tab) {
  page.tab = tab;
  drawSide();
  opened();
}

// Muster hears when its Home or its direct messages are opened.
const opened = () => call("open_app", { user: page.user, tab: page.tab }).catch((error) => toast(error.message));

const here = () => page.names.channels.find((one) => one.id === page.channel) ?? page.names.channels[0];

function read() {
  const newest = [...page.messages.keys()].sort().pop();
  here().unread = 0;
  if (newest) call("mark_read", { user: page.user, channel: page.channel, ts: newest }).catch(() => {});
  drawSide();
}

async function openChannel(id) {
  page.channel = id;
  page.tab = "messages";
  page.thread = null;
  at("thread").hidden = true;
  await load();
  if (here().is_im) opened();
  composer.box.focus();
}

// What is heard while the messages are on their way may be newer than they are: it waits, and is shown after them.
async function load() {
  page.loads += 1;
  try {
    await loadAnew();
  } finally {
    page.loads -= 1;
  }
  if (!page.loads) for (const news of page.heard.splice(0)) heard(news);
}

async function loadAnew() {
  page.names = await call("overview", { user: page.user });
  if (page.channel.startsWith("D")) page.channel = `D${page.user.slice(1)}`; // another person's is not to be seen
  page.channel = here().id;
  drawSide();
  const found = await call("messages", { channel: page.channel, user: page.user, limit: 500 });
  page.messages = new Map(found.map((one) => [one.ts, one]));
  main.clear();
  for (const one of found) if (!isReply(one)) show(one);
  learn();
  at("empty").hidden = found.length > 0;
  at("below").hidden = true;
  main.toEnd();
  read();
  drawSurfaces();
  if (page.thread) openThread(page.thread);
  document.body.dataset.shown = page.user; // whose eyes the page looks through by now
}

// What this person can type: asked of the bot once for each person, and again when the bot comes back.
async function learn() {
  const { user } = page;
  if (page.learned === user || !page.names.connections) return;
  page.learned = user;
  page.hints = [];
  const found = await call("hints", { user }).catch(() => []);
  if (page.user !== user) return;
  page.hints = found;
  if (!found.length) page.learned = null;
  for (const one of [composer, reply]) if (document.activeElement === one.box) one.draw();
}

// -- live

function heard(news) {
  if (page.loads && news.kind !== "channels") return page.heard.push(news);
  if (news.kind === "message" || news.kind === "deleted") return changed(news);
  if (news.kind === "socket") {
    page.names.connections = news.connections;
    if (!news.connections) page.learned = null;
    drawSide();
    learn();
  } else if (news.kind === "surfaces") {
    Object.assign(page.names, { modals: news.modals, home: news.home });
    drawSurfaces();
  } else if (news.kind === "groups") {
    page.names.groups = news.groups;
    drawSide();
  } else if (news.kind === "channels") {
    load();
  }
}

function changed({ kind, message }) {
  const latest = page.latest.get(message.channel) ?? "";
  const isNew = kind === "message" && message.ts > latest && !message.edited;
  if (isNew) page.latest.set(message.channel, message.ts);
  if (message.channel !== page.channel) {
    const channel = page.names.channels.find((one) => one.id === message.channel);
    if (channel && isNew && !isReply(message) && message.user !== page.user) channel.unread += 1;
    return channel ? drawSide() : load();
  }
  const [followed, sideFollowed] = [main.atEnd, side.atEnd];
  if (kind === "deleted") hide(message);
  else show(message);
  at("empty").hidden = page.messages.size > 0;
  if (sideFollowed) side.toEnd();
  if (followed || message.user === page.user) main.toEnd();
  else if (isNew && !isReply(message)) at("below").hidden = false;
  if (isNew && !document.hidden) read();
}

let pause = 500;
let socket = null;

function connect() {
  socket?.close();
  const mine = new WebSocket(`${location.origin.replace(/^http/, "ws")}/live?user=${encodeURIComponent(page.user)}`);
  socket = mine;
  mine.onmessage = async (event) => {
    const news = JSON.parse(event.data);
    if (news.kind !== "hello") return heard(news);
    pause = 500;
    at("lost").hidden = true;
    await load().catch((error) => toast(error.message));
  };
  mine.onclose = () => {
    if (mine !== socket) return;
    at("lost").hidden = false;
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
  };
}

// -- the person at the keyboard

at("persona").addEventListener("change", (event) => {
  page.user = event.target.value;
  page.thread = null;
  at("thread").hidden = true;
  localStorage.setItem("user", page.user);
  connect();
  composer.box.focus();
});
for (const tab of at("tabs").children) tab.addEventListener("click", () => openTab(tab.dataset.tab));
at("close-thread").addEventListener("click", () => openThread(null));
at("below").addEventListener("click", () => main.toEnd());
at("scroll").addEventListener("scroll", () => { if (main.atEnd) at("below").hidden = true; });
document.addEventListener("visibilitychange", () => { if (!document.hidden && page.names) read(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && page.thread && !at("confirm").open && !at("modal").open) openThread(null);
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    const all = page.names.channels;
    const next = all.findIndex((one) => one.id === page.channel) + (event.key === "ArrowUp" ? -1 : 1);
    openChannel(all[(next + all.length) % all.length].id);
  }
});

async function begin() {
  try {
    await load();
  } catch {
    page.user = "U0OPERATOR"; // a person of an earlier workspace
    await load();
  }
  if (permalink) {
    const ts = `${permalink[2]}.${permalink[3]}`;
    if (isReply(page.messages.get(ts) ?? {})) openThread(page.messages.get(ts).thread_ts);
    main.shown.get(ts)?.scrollIntoView({ block: "center" });
    main.shown.get(ts)?.classList.add("pointed");
  }
  connect();
  composer.box.focus();
}

begin();
