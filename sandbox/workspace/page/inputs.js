// What a person fills in: a field for each kind of element, and how its value is read.
import { el } from "./dom.js";
import { plain, words } from "./mrkdwn.js";

const options = (one) => [...(one.options ?? []), ...(one.option_groups ?? []).flatMap((group) => group.options)];

const people = (names) => names.personas.map((id) => ({ value: id, label: names.users[id].real_name }));
const channels = (names) => names.channels.filter((one) => !one.is_im).map((one) => ({ value: one.id, label: `#${one.name}` }));
const offered = (one) => options(one).map((option) => ({
  value: option.value, label: words(option.text.text), more: option.description ? words(option.description.text) : null,
}));

const typed = (type) => (one, value, ids) => {
  const node = el(one.multiline ? "textarea" : "input", {
    ...ids, type: one.multiline ? null : type, rows: one.multiline ? 4 : null, class: "field", autocomplete: "off",
    maxlength: one.max_length, min: one.min_value, max: one.max_value, placeholder: hint(one),
    step: one.is_decimal_allowed ? "any" : null, autofocus: one.focus_on_load === true,
  });
  node.value = value ?? "";
  return { node, read: () => node.value };
};

const oneOf = (choices) => (one, value, ids, names) => {
  const node = el("select", { ...ids, class: "field" }, el("option", { value: "" }, hint(one) ?? "Choose…"),
    choices(one, names).map((choice) => el("option", { value: choice.value }, choice.label)));
  node.value = value ?? "";
  return { node, read: () => node.value };
};

const boxes = (type, choices) => (one, value, ids, names) => {
  const node = el("div", { class: "boxes", role: type === "radio" ? "radiogroup" : "group", "aria-labelledby": ids["aria-labelledby"] },
    choices(one, names).map((choice) => el("label", {},
      el("input", { type, name: ids.id, value: choice.value, checked: [value ?? []].flat().includes(choice.value) }),
      el("span", {}, choice.label, choice.more ? el("span", { class: "quiet" }, ` ${choice.more}`) : null))));
  const read = () => [...node.querySelectorAll(":checked")].map((box) => box.value);
  return { node, read: type === "radio" ? () => read()[0] ?? "" : read };
};

const moment = (one, value, ids) => {
  const node = el("input", { ...ids, type: "datetime-local", class: "field" });
  if (value) node.valueAsNumber = (value - new Date(value * 1000).getTimezoneOffset() * 60) * 1000;
  return { node, read: () => (node.value ? Math.round(new Date(node.value).getTime() / 1000) : "") };
};

const hint = (one) => (one.placeholder ? words(one.placeholder.text) : null);

const FIELDS = {
  plain_text_input: typed("text"),
  number_input: typed("number"),
  email_text_input: typed("email"),
  url_text_input: typed("url"),
  datepicker: typed("date"),
  timepicker: typed("time"),
  datetimepicker: moment,
  static_select: oneOf(offered),
  users_select: oneOf((_, names) => people(names)),
  channels_select: oneOf((_, names) => channels(names)),
  conversations_select: oneOf((_, names) => channels(names)),
  radio_buttons: boxes("radio", offered),
  checkboxes: boxes("checkbox", offered),
  multi_static_select: boxes("checkbox", offered),
  multi_users_select: boxes("checkbox", (_, names) => people(names)),
};

export const fillable = (one) => one.type in FIELDS;

// One entry of `state.values` as its field has it: a text, an option's value, an id, or a list of them.
function raw(entry) {
  const bare = (value) => (value && typeof value === "object" ? value.value : value);
  const [value] = Object.entries(entry ?? {}).filter(([key]) => key !== "type").map(([, inner]) => inner);
  return Array.isArray(value) ? value.map(bare) : bare(value);
}

// A field with what is filled in; `ids` are attributes of it.
export function field(one, block, context, ids) {
  const kept = context.typed?.[block.block_id];
  const value = kept ?? raw(context.values?.[block.block_id]?.[one.action_id] ?? initial(one));
  return FIELDS[one.type](one, value, ids, context.names);
}

// In a message nobody keeps what is filled in: what the app gave stands there.
function initial(one) {
  const [key] = Object.keys(one).filter((name) => name.startsWith("initial_"));
  return key ? { value: one[key] } : null;
}

// An input block: label, field, hint, and what is wrong with it.
export function input(block, context) {
  const wrong = context.errors?.[block.block_id];
  const id = `input-${block.block_id}`;
  const { node, read } = field(block.element, block, context, {
    id, "aria-labelledby": `${id}-label`, "aria-invalid": wrong ? "true" : null, "aria-describedby": wrong ? `${id}-wrong` : null,
  });
  context.fields?.set(block.block_id, read);
  if (block.dispatch_action) node.addEventListener("change", () => context.click(block.element.action_id, block.block_id, read()));
  return el("div", { class: `input ${wrong ? "wrong" : ""}` },
    el("label", { id: `${id}-label`, for: id }, ...plain(block.label.text),
      block.optional ? el("span", { class: "quiet" }, " (optional)") : null),
    node,
    wrong ? el("div", { class: "error", id: `${id}-wrong`, role: "alert" }, wrong) : null,
    block.hint ? el("div", { class: "quiet hint" }, ...plain(block.hint.text)) : null);
}
