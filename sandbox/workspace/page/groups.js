// Who is in which user group; a tick puts a person in or out.
import { call, el, toast } from "./dom.js";

const opened = new Set();

export function groups({ groups: all, personas, users }) {
  return Object.entries(all).map(([id, group]) => el("details", {
    open: opened.has(id),
    ontoggle: ({ currentTarget }) => (currentTarget.open ? opened.add(id) : opened.delete(id)),
  },
  el("summary", { title: group.name }, `@${group.handle}`, el("span", { class: "quiet" }, ` ${group.users.length}`)),
  personas.map((user) => el("label", {},
    el("input", {
      type: "checkbox",
      checked: group.users.includes(user),
      onchange: ({ currentTarget }) => change(id, user, currentTarget.checked),
    }), users[user].real_name))));
}

function change(group, user, inside) {
  const who = inside ? { add: [user] } : { remove: [user] };
  call("group", { group, ...who }).catch((error) => toast(error.message));
}
