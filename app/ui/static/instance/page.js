// An instance: its picture beside its attributes, where its bytes lie, its history; and the way to its neighbours.

import { names, TAG, text } from "../dicom.js";
import { bdi, h } from "../dom.js";
import { personName } from "../format.js";
import { icon } from "../icons.js";
import { address, navigate } from "../router.js";
import { ask, askJson, dicomweb, ServerError, studyPath } from "../server.js";
import { deleteButton, downloadButton, openIn } from "../study/actions.js";
import { gonePage } from "../study/gone.js";
import { historyView } from "../study/history.js";
import { instancesOf } from "../study/instances.js";
import { labelEditor } from "../study/labels.js";
import { crumbs, tabs } from "../study/parts.js";
import { watch } from "../study/watch.js";
import { preview } from "./preview.js";
import { storageView } from "./storage.js";
import { attributesView } from "./attributes.js";
import { t } from "../texts.js";

let lastTab = "attributes";

export async function show({ variables, signal }) {
  const { study, series, instance } = variables;
  const path = studyPath(study, series, instance);
  let data;
  try {
    [data] = await askJson(dicomweb(`${path}/metadata`), { signal, accept: "application/dicom+json" });
  } catch (error) {
    if (error instanceof ServerError && (error.status === 404 || error.status === 410)) return gonePage(variables, signal);
    throw error;
  }
  const siblings = await instancesOf(study, series, signal);
  const at = siblings.findIndex((one) => text(one, TAG.sop) === instance);
  const to = (index) => siblings[index] && address(studyPath(study, series, text(siblings[index], TAG.sop)));
  const picture = preview({ path, data, signal });
  const number = text(data, TAG.instanceNumber);
  const title = t("instance.number", { number: number || "–" });
  const described = text(data, TAG.seriesDescription) || text(data, "00181030") || t("series.undescribed");
  const patient = names(data, TAG.patientName)[0];
  const steps = [[address(), t("nav.studies")], [address(studyPath(study)), patient ? personName(patient) : t("patient.unnamed")]];
  if (siblings.length > 1) steps.push([address(studyPath(study, series)), described]);
  const node = h("div", { class: "page" },
    crumbs([...steps, ["", siblings.length > 1 ? title : described]]),
    h("header", { class: "page-head" },
      h("div", { class: "grow" }, h("h1", {}, bdi(described)), h("p", { class: "under-title" }, title, siblings.length > 1 && at >= 0 && h("span", { class: "dot" }, t("instance.of", { at: at + 1, all: siblings.length }))),
        labelEditor(variables, signal)),
      h("div", { class: "actions" }, siblings.length > 1 && steppers(to(at - 1), to(at + 1)), await openIn({ study, series }, [text(data, TAG.modality)]), downloadButton(variables),
        deleteButton(variables, { level: "instance", count: 1, up: address(siblings.length > 1 ? studyPath(study, series) : studyPath(study)) }))),
    h("div", { class: "beside" }, picture.node, tabs([
      ["attributes", t("tab.attributes"), () => attributesView(data, path, signal)],
      ["storage", t("tab.storage"), () => storageView(variables, signal)],
      ["history", t("tab.history"), () => historyView(variables, signal)],
    ], { label: t("tab.label"), chosen: lastTab })));
  node.addEventListener("click", (event) => { if (event.target.matches("[role=tab]")) lastTab = event.target.id.slice("tab-".length); });
  // labels are shown by themselves
  const tag = async () => (await ask(dicomweb(`${path}/history`, { limit: 20 }), { signal })).json().then((told) => JSON.stringify(told.history.find((one) => !one.label)?.revision));
  tag().then((first) => watch(signal, tag, first)).catch(() => {});
  const step = (index) => () => (to(index) ? navigate(to(index), { replace: true }) : false);
  return {
    node,
    title: `${title} · ${described}`,
    keys: [
      ["j", step(at + 1), "help.nextImage", "j →"], ["k", step(at - 1), "help.previousImage", "k ←"], ["ArrowRight", step(at + 1)], ["ArrowLeft", step(at - 1)],
      ["/", () => node.querySelector(".tag-search")?.focus(), "help.searchTags"],
      ["Escape", () => navigate(steps.at(-1)[0]), "help.back"],
    ],
  };
}

function steppers(before, after) {
  const link = (href, name, text) => h("a", { class: "icon-button framed", href: href ?? null, "aria-disabled": href ? null : "true", "aria-label": text, title: text }, icon(name));
  return h("span", { class: "steppers" }, link(before, "back", t("instance.previous")), link(after, "forward", t("instance.next")));
}
