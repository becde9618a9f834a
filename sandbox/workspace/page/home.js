// The Home tab of Muster: what it has published for this person.
import { blocks } from "./blocks.js";
import { call, el, toast } from "./dom.js";

export function home(view, page) {
  if (!view) return [el("p", { class: "nothing" }, "Muster has put nothing here for you yet.")];
  const click = async (action, block, value) => {
    try {
      const run = await call("click", { user: page.user, ts: view.id, action, block, value });
      if (run.error) toast(run.notice ?? run.error);
    } catch (error) {
      toast(error.message);
    }
  };
  return blocks(view.blocks, { names: page.names, values: view.state.values, click });
}
