// Block Kit as elements. `context` has the names and says what a click does.
import { decoded, el, link } from "./dom.js";
import { field, fillable, input } from "./inputs.js";
import { mrkdwn, plain, words } from "./mrkdwn.js";

const text = (object, context) =>
  object.type === "mrkdwn" ? mrkdwn(object.text, context.names) : plain(object.text);

export function blocks(list, context) {
  return list.map((block) => {
    const draw = BLOCKS[block.type];
    return el("div", { class: `block ${draw ? block.type : "unknown"}` },
      draw ? draw(block, context) : `[a ${block.type} block]`);
  });
}

const BLOCKS = {
  section: (block, context) => [
    el("div", { class: "body" },
      block.text ? el("div", {}, ...text(block.text, context)) : null,
      block.fields ? el("div", { class: "fields" },
        block.fields.map((field) => el("div", {}, ...text(field, context)))) : null),
    block.accessory ? el("div", { class: "accessory" }, element(block.accessory, block, context)) : null,
  ],
  header: (block) => el("h3", {}, ...plain(block.text.text)),
  divider: () => el("hr"),
  context: (block, context) => block.elements.map((one) =>
    one.type === "image" ? picture(one) : el("span", {}, ...text(one, context))),
  actions: (block, context) => block.elements.map((one) => element(one, block, context)),
  image: (block) => picture(block),
  markdown: (block, context) => el("div", {}, ...mrkdwn(block.text.replace(/\*\*(.+?)\*\*/g, "*$1*"), context.names)),
  input: (block, context) => input(block, context),
  rich_text: (block, context) => block.elements.map((one) => rich(one, context)),
};

// Uploaded pictures are shown; others are not fetched: nothing on this page comes from elsewhere.
function picture(image) {
  const alt = image.alt_text || image.title?.text || "image";
  if (image.slack_file?.id) return el("img", { src: `/files/${image.slack_file.id}/picture`, alt, title: alt });
  return el("span", { class: "picture" }, "🖼 ", image.image_url ? link(image.image_url, alt) : alt);
}

function element(one, block, context) {
  if (one.type === "button") return button(one, block, context);
  if (one.type === "image") return picture(one);
  if (one.type === "static_select" || one.type === "overflow") return menu(one, block, context);
  if (fillable(one)) return changing(one, block, context);
  return el("button", { class: "button", type: "button", disabled: true, title: "Not in the sandbox" },
    one.placeholder?.text ?? one.type);
}

function button(one, block, context) {
  const named = one.accessibility_label ? { "aria-label": one.accessibility_label } : {};
  return el("button", {
    class: `button ${one.style ?? ""}`,
    type: "button",
    ...named,
    onclick: async ({ currentTarget }) => {
      if (one.confirm && !(await asked(one.confirm, context))) return;
      if (/^https?:/i.test(one.url ?? "")) window.open(decoded(one.url), "_blank", "noopener,noreferrer");
      await busy(currentTarget, () => context.click(one.action_id, block.block_id, null));
    },
  }, ...plain(one.text.text), one.url ? " ↗" : null);
}

function menu(one, block, context) {
  const options = [...(one.options ?? []), ...(one.option_groups ?? []).flatMap((group) => group.options)];
  const first = one.type === "overflow" ? "⋯" : one.placeholder?.text ?? "Choose…";
  const select = el("select", {
    class: `button ${one.type}`,
    "aria-label": one.type === "overflow" ? "More actions" : first,
    onchange: async () => {
      const value = select.value;
      if (one.confirm && !(await asked(one.confirm, context))) {
        select.value = "";
        return;
      }
      await busy(select, () => context.click(one.action_id, block.block_id, value));
      if (one.type === "overflow") select.value = "";
    },
  }, el("option", { value: "", disabled: true, hidden: one.type !== "overflow" }, first),
  options.map((option) => el("option", { value: option.value }, words(option.text.text))));
  const kept = context.values?.[block.block_id]?.[one.action_id];
  select.value = (kept ? kept.selected_option : one.initial_option)?.value ?? "";
  return select;
}

// A field outside an input block: each change is a click.
function changing(one, block, context) {
  const { node, read } = field(one, block, context, { id: `${block.block_id}-${one.action_id}` });
  node.addEventListener("change", () => context.click(one.action_id, block.block_id, read()));
  return node;
}

async function busy(node, work) {
  node.classList.add("busy");
  node.disabled = true;
  try {
    await work();
  } finally {
    node.classList.remove("busy");
    node.disabled = false;
  }
}

// The confirmation dialog of an element; true for yes.
function asked(confirm, context) {
  const dialog = document.getElementById("confirm");
  const [no, yes] = dialog.querySelectorAll("button");
  dialog.querySelector("h2").replaceChildren(...plain(confirm.title.text));
  dialog.querySelector(".words").replaceChildren(...text(confirm.text, context));
  no.replaceChildren(...plain(confirm.deny.text));
  yes.replaceChildren(...plain(confirm.confirm.text));
  yes.className = `button ${confirm.style === "danger" ? "danger" : "primary"}`;
  return new Promise((resolve) => {
    no.onclick = () => dialog.close("no");
    yes.onclick = () => dialog.close("yes");
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "";
    dialog.showModal();
    yes.focus();
  });
}

const RICH = { rich_text_list: "ul", rich_text_preformatted: "pre", rich_text_quote: "blockquote" };

function rich(one, context) {
  if (one.type === "rich_text_list") {
    const items = one.elements.map((item) => el("li", {}, rich(item, context)));
    return el(one.style === "ordered" ? "ol" : "ul", {}, items);
  }
  return el(RICH[one.type] ?? "span", { class: "text" }, (one.elements ?? []).map((part) => richPart(part, context)));
}

function richPart(part, context) {
  const { bold, italic, strike, code } = part.style ?? {};
  let node;
  if (part.type === "link") node = link(part.url, part.text ?? part.url);
  else if (part.type === "user") [node] = mrkdwn(`<@${part.user_id}>`, context.names);
  else if (part.type === "channel") [node] = mrkdwn(`<#${part.channel_id}>`, context.names);
  else if (part.type === "usergroup") [node] = mrkdwn(`<!subteam^${part.usergroup_id}>`, context.names);
  else if (part.type === "broadcast") [node] = mrkdwn(`<!${part.range}>`, context.names);
  else if (part.type === "emoji") node = el("span", { class: "emoji" }, ...plain(`:${part.name}:`));
  else node = document.createTextNode(part.text ?? "");
  for (const [wanted, name] of [[code, "code"], [strike, "s"], [italic, "em"], [bold, "strong"]]) {
    if (wanted) node = el(name, {}, node);
  }
  return node;
}

export function attachments(list, context) {
  return list.map((one) => {
    const node = el("div", { class: "attachment" },
      one.pretext ? el("div", {}, ...mrkdwn(one.pretext, context.names)) : null,
      one.title ? el("strong", {}, ...plain(one.title)) : null,
      one.text ? el("div", {}, ...mrkdwn(one.text, context.names)) : null,
      one.blocks ? blocks(one.blocks, context) : null,
      !one.text && !one.blocks && one.fallback ? el("div", {}, ...plain(one.fallback)) : null,
      one.footer ? el("div", { class: "quiet" }, ...plain(one.footer)) : null);
    if (/^#?[0-9a-f]{6}$/i.test(one.color ?? "")) node.style.borderLeftColor = `#${one.color.replace("#", "")}`;
    return node;
  });
}
