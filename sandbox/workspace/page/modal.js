// The modal on top, as an overlay: its blocks, its inputs, and its two buttons.
import { blocks } from "./blocks.js";
import { call, toast } from "./dom.js";
import { plain } from "./mrkdwn.js";

export class Modal {
  constructor(dialog, page) {
    this.dialog = dialog;
    this.page = page;
    this.body = dialog.querySelector(".view");
    this.fields = new Map();
    this.view = null;
    this.drawn = "";
    dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close(false);
    });
    dialog.querySelector(".cross").addEventListener("click", () => this.close(true));
    dialog.querySelector(".close").addEventListener("click", () => this.close(false));
  }

  // Draws what is on top, unless it is there already: what was typed since stays.
  show(stack) {
    const view = stack.at(-1) ?? null;
    const look = view ? JSON.stringify([view.id, view.hash, view.errors, view.trouble]) : "";
    if (look === this.drawn) return;
    const another = view?.id !== this.view?.id;
    const typed = another ? {} : this.typed();
    const focused = document.activeElement?.id;
    this.view = view;
    this.drawn = look;
    if (!view) return this.dialog.close();
    this.draw(view, typed, stack.length);
    if (!this.dialog.open) this.dialog.showModal();
    if (another) this.body.scrollTop = 0;
    const first = this.body.querySelector(".wrong .field") ?? document.getElementById(focused) ?? this.body.querySelector(".field");
    first?.focus();
  }

  draw(view, typed, depth) {
    this.fields = new Map();
    const context = {
      names: this.page.names,
      values: view.state.values,
      errors: view.errors,
      fields: this.fields,
      typed,
      click: (action, block, value) => this.click(action, block, value),
    };
    this.body.replaceChildren(...blocks(view.blocks, context));
    const [close, submit] = ["close", "submit"].map((name) => this.dialog.querySelector(`footer .${name}`));
    this.dialog.querySelector("h2").replaceChildren(...plain(view.title.text));
    close.replaceChildren(...plain(view.close?.text ?? (view.submit ? "Cancel" : depth > 1 ? "Back" : "Close")));
    submit.hidden = !view.submit;
    submit.replaceChildren(...plain(view.submit?.text ?? ""));
    this.dialog.querySelector(".trouble").textContent = view.trouble ?? "";
  }

  typed() {
    return Object.fromEntries([...this.fields].map(([block, read]) => [block, read()]));
  }

  async submit() {
    const submit = this.dialog.querySelector("footer .submit");
    submit.disabled = true;
    submit.classList.add("busy");
    await this.ask("submit", { view: this.view.id, values: this.typed() });
    submit.classList.remove("busy");
    submit.disabled = false;
  }

  async click(action, block, value) {
    await this.ask("fill", { view: this.view.id, values: this.typed() });
    const run = await this.ask("click", { ts: this.view.id, action, block, value });
    if (run?.error) toast(run.notice ?? run.error);
  }

  close(whole) {
    return this.ask("close", { whole });
  }

  async ask(verb, body) {
    try {
      return await call(verb, { user: this.page.user, ...body });
    } catch (error) {
      toast(error.message);
      return null;
    }
  }
}
