// All attributes of an instance: searched by tag, name and value; sequences open and close; bulk values are links.

import { debounce, fill, h, bdi } from "../dom.js";
import { bytes } from "../format.js";
import { askJson, UI } from "../server.js";
import { arriving } from "../study/parts.js";
import { t } from "../texts.js";
import { readTree, search } from "./tree.js";

const MOST = 1500;
const LONG = 400;

export function attributesView(data, path, signal) {
  const tags = new Set();
  const uids = new Set();
  collect(data, tags, uids);
  const url = new URL("data/names.json", UI);
  url.search = new URLSearchParams({ tags: [...tags].slice(0, 4000).join(","), uids: [...uids].slice(0, 300).join(",") });
  return arriving(askJson(url, { signal }), (names) => view(readTree(data, names), names));
}

function view(tree, names) {
  const list = h("div", { class: "attributes" });
  const told = h("p", { class: "soft", role: "status" });
  const input = h("input", { type: "search", class: "field tag-search", placeholder: t("tags.search"), "aria-label": t("tags.search"), spellcheck: "false", autocomplete: "off" });
  let most = MOST;
  function draw() {
    const found = search(tree, input.value);
    const left = { rows: most };
    fill(list, found.nodes.map((one) => rowOf(one, names, left, Boolean(input.value.trim()))));
    told.textContent = input.value.trim() ? t("tags.found", { count: found.count }) : t("tags.count", { count: found.count });
    if (left.rows <= 0) list.append(h("button", { type: "button", class: "button", on: { click: () => { most = Infinity; draw(); } } }, t("tags.all")));
  }
  input.addEventListener("input", debounce(60, draw));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && input.value) {
      input.value = "";
      draw();
      event.stopPropagation();
    }
  });
  draw();
  return h("div", {}, h("div", { class: "tag-head" }, input, told), list);
}

function rowOf(node, names, left, open) {
  left.rows -= 1;
  if (left.rows < 0) return null;
  const head = [h("span", { class: "tag code" }, `${node.tag.slice(0, 4)},${node.tag.slice(4)}`), h("span", { class: "vr code" }, node.vr), h("span", { class: "tag-name" }, node.name || h("span", { class: "none" }, t("tags.private")))];
  if (node.items) {
    return h("details", { class: "sequence", open }, h("summary", { class: "attribute" }, head, h("span", { class: "tag-value soft" }, t("tags.items", { count: node.items.length }))),
      node.items.map((item) => h("details", { class: "item", open: open || node.items.length === 1 }, h("summary", { class: "soft" }, t("tags.item", { number: item.number })), item.nodes.map((one) => rowOf(one, names, left, open)))));
  }
  return h("div", { class: "attribute" }, head, h("span", { class: "tag-value" }, valueOf(node, names)));
}

function valueOf(node, names) {
  if (node.bulk) {
    const url = new URL(node.bulk, location.href);
    url.searchParams.set("accept", "application/octet-stream");
    return h("a", { href: url.href, download: `${node.tag}.bin` }, t("tags.bulk"));
  }
  if (node.inline !== undefined) return h("span", { class: "soft" }, t("tags.inline", { size: bytes(Math.floor((node.inline.length * 3) / 4)) }));
  if (node.vr === "UI" && names.uids[node.text]) return [h("span", {}, names.uids[node.text]), " ", h("span", { class: "soft code" }, node.text)];
  if (node.text.length <= LONG) return bdi(node.text);
  const whole = h("span", {}, bdi(`${node.text.slice(0, LONG)}…`), " ", h("button", { type: "button", class: "plain", on: { click: () => fill(whole, bdi(node.text)) } }, t("tags.more")));
  return whole;
}

function collect(data, tags, uids) {
  for (const [tag, element] of Object.entries(data)) {
    tags.add(tag);
    if (element.vr === "SQ") (element.Value ?? []).forEach((item) => collect(item ?? {}, tags, uids));
    else if (element.vr === "UI") (element.Value ?? []).forEach((uid) => { if (String(uid).startsWith("1.2.840.10008.")) uids.add(uid); });
  }
}
