// A data set as a tree of what is shown, and searching it. Pure.

import { nameGroups } from "../dicom.js";

// Nodes { tag, vr, name, text } or with `items`, `bulk`, `inline`.
export function readTree(data, names) {
  return Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)).map(([tag, element]) => {
    const node = { tag, vr: element.vr ?? "UN", name: names.tags[tag] ?? "", text: "" };
    if (node.vr === "SQ") node.items = (element.Value ?? []).map((item, at) => ({ number: at + 1, nodes: readTree(item ?? {}, names) }));
    else if (element.BulkDataURI !== undefined) node.bulk = element.BulkDataURI;
    else if (element.InlineBinary !== undefined) node.inline = element.InlineBinary;
    else node.text = (element.Value ?? []).map(shown).join(" \\ ");
    return node;
  });
}

function shown(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? nameGroups(value).join(" = ") : String(value);
}

// The nodes in which all words stand, with what is around them; and how many there are.
export function search(nodes, words) {
  const wanted = words.toLowerCase().replace(/[(),]/g, " ").split(/\s+/).filter(Boolean);
  const found = { count: 0 };
  return { nodes: sift(nodes, wanted, found), get count() { return found.count; } };
}

function sift(nodes, wanted, found) {
  const kept = [];
  for (const node of nodes) {
    const told = `${node.tag} ${node.tag.slice(0, 4)} ${node.tag.slice(4)} ${node.vr} ${node.name} ${node.name.replaceAll(" ", "")} ${node.text}`.toLowerCase();
    const hit = wanted.every((word) => told.includes(word));
    if (hit) found.count += 1;
    if (!node.items) {
      if (hit) kept.push(node);
      continue;
    }
    // of a sequence that is named all is shown, else what is found in it
    const items = node.items.map((item) => ({ ...item, nodes: sift(item.nodes, hit ? [] : wanted, hit && wanted.length ? { count: 0 } : found) }));
    const some = items.filter((item) => item.nodes.length);
    if (hit || some.length) kept.push({ ...node, items: hit ? items : some });
  }
  return kept;
}
