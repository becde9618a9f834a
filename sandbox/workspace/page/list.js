// A list of messages in the order of their ts; one that changes is drawn anew in its place.
import { el } from "./dom.js";
import { day } from "./message.js";

const TOGETHER = 5 * 60;

export class List {
  constructor(node, scroll) {
    this.node = node;
    this.scroll = scroll;
    this.shown = new Map();
  }

  clear() {
    this.shown.clear();
    this.node.replaceChildren();
  }

  get atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 60;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  put(ts, drawn) {
    const old = this.shown.get(ts);
    this.shown.set(ts, drawn);
    if (old) {
      old.replaceWith(drawn);
    } else {
      let before = this.node.lastElementChild;
      while (before && before.dataset.ts > ts) before = before.previousElementSibling;
      if (before) before.after(drawn);
      else this.node.prepend(drawn);
    }
    this.join(drawn);
    if (drawn.nextElementSibling) this.join(drawn.nextElementSibling);
  }

  remove(ts) {
    const old = this.shown.get(ts);
    const after = old?.nextElementSibling;
    old?.remove();
    this.shown.delete(ts);
    if (after) this.join(after);
  }

  // A day line above the first of a day; no name above what the same person says soon after.
  join(node) {
    const before = node.previousElementSibling;
    const newDay = !before || day(before.dataset.ts) !== day(node.dataset.ts);
    node.querySelector(":scope > .day")?.remove();
    if (newDay) node.prepend(el("div", { class: "day" }, el("span", {}, day(node.dataset.ts))));
    const soon = before && node.dataset.ts - before.dataset.ts < TOGETHER;
    const alike = before && before.classList.contains("ephemeral") === node.classList.contains("ephemeral");
    const flat = before && !before.dataset.blocks && !node.dataset.blocks;
    node.classList.toggle("more", Boolean(!newDay && soon && alike && flat && before.dataset.user === node.dataset.user));
  }
}
