// Elements are made from parts and text nodes only; no HTML text is ever parsed, so nothing that a device or a person
// says can become markup.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const decoded = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// A link, if its scheme is harmless; else only its words.
export function link(url, ...words) {
  const address = decoded(url);
  if (!/^(https?:|mailto:)/i.test(address)) return el("span", {}, ...words);
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...words);
}

export async function call(verb, body) {
  const answer = await fetch(`/control/${verb}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!result.ok) throw new Error(result.detail ? `${result.error}: ${result.detail}` : result.error);
  return result.result;
}

export function toast(words, kind = "bad") {
  const note = el("div", { class: `toast ${kind}` }, words);
  const toasts = document.getElementById("toasts");
  toasts.append(note);
  toasts.hidePopover();
  toasts.showPopover(); // above a modal that is open
  setTimeout(() => note.remove(), 6000);
}
