// A series: its instances as pictures. One of a single instance shows that instance.

import { count, names, TAG, text } from "../dicom.js";
import { bdi, h } from "../dom.js";
import { date, clock, personName } from "../format.js";
import { badges } from "../list/row.js";
import { address, navigate } from "../router.js";
import { dicomweb, search, studyPath } from "../server.js";
import { t } from "../texts.js";
import { deleteButton, downloadButton, openIn } from "./actions.js";
import { gonePage } from "./gone.js";
import { historyView } from "./history.js";
import { instancesOf } from "./instances.js";
import { labelEditor } from "./labels.js";
import { crumbs, facts, tabs, thumbnail } from "./parts.js";
import { watch } from "./watch.js";

const TOGETHER = 120;
const OF_SERIES = "SeriesDescription,BodyPartExamined,SeriesDate,SeriesTime,ProtocolName,PatientName,StudyDescription,Manufacturer,ManufacturerModelName,StationName";

export async function show({ variables, signal }) {
  const { study, series } = variables;
  const read = async () => (await search(`${studyPath(study)}/series`, { SeriesInstanceUID: series, includefield: OF_SERIES }, signal)).matches[0];
  const one = await read();
  if (!one) return gonePage({ study, series }, signal);
  const instances = await instancesOf(study, series, signal);
  watch(signal, async () => JSON.stringify(await read()), JSON.stringify(one));
  if (instances.length === 1) {
    navigate(address(studyPath(study, series, text(instances[0], TAG.sop))), { replace: true });
    return { node: h("div", {}) };
  }
  const patient = names(one, TAG.patientName)[0];
  const described = text(one, TAG.seriesDescription) || text(one, "00181030") || t("series.undescribed");
  const node = h("div", { class: "page" },
    crumbs([[address(), t("nav.studies")], [address(studyPath(study)), patient ? personName(patient) : t("patient.unnamed")], ["", described]]),
    h("header", { class: "page-head" },
      h("div", { class: "grow" }, h("h1", {}, bdi(described)),
        h("p", { class: "study-line" }, badges([text(one, TAG.modality)]), bdi(text(one, TAG.studyDescription))),
        labelEditor({ study, series }, signal)),
      h("div", { class: "actions" }, await openIn({ study, series }, [text(one, TAG.modality)]), downloadButton({ study, series }),
        deleteButton({ study, series }, { level: "series", count: count(one, TAG.seriesInstances), up: address(studyPath(study)) }))),
    facts([
      [t("fact.number"), text(one, TAG.seriesNumber)],
      [t("fact.date"), [date(text(one, "00080021")), clock(text(one, "00080031"))].filter(Boolean).join(", ")],
      [t("fact.bodyPart"), text(one, "00180015")],
      [t("fact.device"), [text(one, "00080070"), text(one, "00081090"), text(one, "00081010")].filter(Boolean).join(" · ")],
      [t("fact.content"), t("count.images", { count: count(one, TAG.seriesInstances) })],
      [t("fact.seriesUid"), series, true],
    ]),
    tabs([
      ["images", t("tab.images"), () => pictures(instances, { study, series, signal })],
      ["history", t("tab.history"), () => historyView({ study, series }, signal)],
    ], { label: t("tab.label") }));
  return { node, title: described, keys: [["Escape", () => navigate(address(studyPath(study))), "help.back"]] };
}

// A card an instance, more of them as the end comes into sight.
function pictures(instances, { study, series, signal }) {
  const grid = h("div", { class: "cards small" });
  const end = h("div", { class: "sentinel" });
  let shown = 0;
  const more = () => {
    grid.append(...instances.slice(shown, shown + TOGETHER).map((one) => card(one, study, series)));
    shown += TOGETHER;
    if (shown >= instances.length) observer.disconnect();
  };
  const observer = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "600px" });
  more();
  observer.observe(end);
  signal.addEventListener("abort", () => observer.disconnect());
  return h("div", {}, grid, end);
}

function card(one, study, series) {
  const instance = text(one, TAG.sop);
  const frames = count(one, TAG.frames);
  const number = text(one, TAG.instanceNumber);
  return h("a", { class: "card", href: address(studyPath(study, series, instance)), "aria-label": t("instance.number", { number: number || instance }) },
    thumbnail(dicomweb(`${studyPath(study, series, instance)}/thumbnail`, { accept: "image/jpeg" }), ""),
    h("div", { class: "card-text" }, h("span", { class: "below" }, number ? `#${number}` : "", frames > 1 && h("span", { class: "dot" }, t("count.frames", { count: frames })))));
}
