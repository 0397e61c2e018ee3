// The attributes of what is looked at, beside the stage; they follow once the reader stays somewhere.

import { debounce, fill, h } from "../dom.js";
import { attributesView } from "../instance/attributes.js";
import { t } from "../texts.js";

const PAUSE = 250;

export function makeTagPanel() {
  const node = h("aside", { class: "view-tags", "aria-label": t("view.tags"), hidden: true });
  let ending = new AbortController();
  let shown = null;

  const put = debounce(PAUSE, (header, path) => {
    ending.abort();
    ending = new AbortController();
    fill(node, attributesView(header, path, ending.signal));
  });

  // The frames of an object have their attributes in common.
  function show({ header, path }) {
    if (node.hidden || shown === header) return;
    shown = header;
    put(header, path);
  }
  return { node, show };
}
