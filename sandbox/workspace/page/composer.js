// The box one types into: Enter sends, arrow up brings back what was typed before, and a hint for commands.
import { el } from "./dom.js";

const KEPT = 100;

export class Composer {
  // `known` gives the hints: objects with words, rest and what. The bot decides what it knows; it was asked for them.
  constructor(form, { slash, known, send }) {
    this.box = form.querySelector("textarea");
    this.hints = form.querySelector(".hints");
    this.slash = slash;
    this.known = known;
    this.send = send;
    this.history = JSON.parse(localStorage.getItem("typed") ?? "[]");
    this.back = -1;
    this.chosen = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.box.addEventListener("input", () => {
      this.back = -1;
      this.chosen = 0;
      this.draw();
    });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => { this.hints.hidden = true; });
    this.box.addEventListener("focus", () => this.draw());
  }

  matching() {
    const typed = this.box.value.toLowerCase();
    if (!typed.startsWith("/") || typed.includes("\n")) return [];
    return this.known().filter(({ words }) => `${this.slash()} ${words}`.startsWith(typed.trimEnd()));
  }

  draw() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, 160)}px`;
    const found = this.matching();
    this.chosen = Math.min(this.chosen, Math.max(0, found.length - 1));
    this.hints.hidden = found.length === 0;
    this.hints.replaceChildren(...found.map(({ words, rest, what }, n) => el("li", {
      class: n === this.chosen ? "chosen" : "",
      onmousedown: (event) => {
        event.preventDefault();
        this.take(words);
      },
    }, el("b", {}, `${this.slash()} ${words}`), ` ${rest} `, el("span", { class: "quiet" }, what))),
    el("li", { class: "quiet tip" }, "Tab completes, ↑ ↓ choose"));
    this.hints.children[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  take(words) {
    this.set(`${this.slash()} ${words} `);
    this.draw();
  }

  set(words) {
    this.box.value = words;
    this.box.setSelectionRange(words.length, words.length);
  }

  key(event) {
    const hinted = !this.hints.hidden && this.box.value.length > 0 && this.back < 0;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Tab" && hinted) {
      event.preventDefault();
      this.take(this.matching()[this.chosen].words);
    } else if (event.key === "Escape" && hinted) {
      event.stopPropagation();
      this.hints.hidden = true;
    } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !event.altKey) {
      this.arrow(event, event.key === "ArrowUp" ? 1 : -1, hinted);
    }
  }

  arrow(event, step, hinted) {
    if (hinted) {
      event.preventDefault();
      this.chosen = Math.max(0, Math.min(this.matching().length - 1, this.chosen - step));
      this.draw();
    } else if (this.back >= 0 || this.box.value === "") {
      const next = this.back + step;
      if (next >= this.history.length) return;
      event.preventDefault();
      this.back = Math.max(-1, next);
      this.set(this.back < 0 ? "" : this.history[this.back]);
      this.draw();
      this.hints.hidden = true;
    }
  }

  submit() {
    const words = this.box.value.trim();
    if (!words) return;
    this.history = [words, ...this.history.filter((one) => one !== words)].slice(0, KEPT);
    localStorage.setItem("typed", JSON.stringify(this.history));
    this.back = -1;
    this.set("");
    this.draw();
    this.send(words);
  }
}
