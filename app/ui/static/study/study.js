// A study: whose it is, its series as pictures, its history.

import { count, names, TAG, text, values } from "../dicom.js";
import { bdi, h } from "../dom.js";
import { age, clock, date, personName } from "../format.js";
import { listAddress } from "../list/place.js";
import { badges, patientTitle } from "../list/row.js";
import { address, navigate } from "../router.js";
import { dicomweb, search, studyPath } from "../server.js";
import { t } from "../texts.js";
import { deleteButton, downloadButton, openIn } from "./actions.js";
import { gonePage } from "./gone.js";
import { labelEditor } from "./labels.js";
import { historyView } from "./history.js";
import { crumbs, facts, tabs, thumbnail } from "./parts.js";
import { watch } from "./watch.js";

const OF_STUDY = "StudyDescription,InstitutionName,PatientAge,IssuerOfPatientID";
const OF_SERIES = "SeriesDescription,BodyPartExamined,SeriesDate,SeriesTime,ProtocolName";

export async function show({ variables, signal }) {
  const { study } = variables;
  const read = async () => {
    const [found, series] = await Promise.all([
      search("studies", { StudyInstanceUID: study, includefield: OF_STUDY }, signal),
      search(`${studyPath(study)}/series`, { includefield: OF_SERIES }, signal),
    ]);
    return { one: found.matches[0], series: series.matches };
  };
  const { one, series } = await read();
  if (!one) return gonePage({ study }, signal);
  watch(signal, async () => JSON.stringify(await read()), JSON.stringify({ one, series }));
  const modalities = values(one, TAG.modalities);
  const name = names(one, TAG.patientName)[0];
  const title = name ? personName(name) : t("patient.unnamed");
  const node = h("div", { class: "page" },
    crumbs([[address(), t("nav.studies")], ["", title]]),
    h("header", { class: "page-head" },
      h("div", { class: "grow" },
        h("h1", {}, patientTitle(one)),
        h("p", { class: "under-title" }, patientLine(one)),
        h("p", { class: "study-line" }, badges(modalities), bdi(text(one, TAG.studyDescription) || t("study.undescribed"))),
        labelEditor({ study }, signal)),
      h("div", { class: "actions" }, await openIn({ study }, modalities), downloadButton({ study }),
        deleteButton({ study }, { level: "study", count: count(one, TAG.studyInstances), up: listAddress() }))),
    studyFacts(one, study),
    tabs([
      ["series", t("tab.series"), () => h("div", { class: "cards" }, series.map((each) => seriesCard(each, study)))],
      ["history", t("tab.history"), () => historyView({ study }, signal)],
    ], { label: t("tab.label") }));
  return { node, title, keys: [["Escape", () => navigate(listAddress()), "help.back"]] };
}

function patientLine(one) {
  const birth = text(one, TAG.birthDate);
  const sex = text(one, TAG.sex);
  return [bdi(text(one, TAG.patientId) || t("patient.noid")),
    birth && h("span", { class: "dot" }, date(birth), age(birth, text(one, TAG.studyDate)) && ` (${age(birth, text(one, TAG.studyDate))})`),
    sex && h("span", { class: "dot" }, { F: t("sex.F"), M: t("sex.M"), O: t("sex.O") }[sex] ?? sex)];
}

function studyFacts(one, study) {
  const referrer = names(one, TAG.referrer)[0];
  return facts([
    [t("fact.date"), [date(text(one, TAG.studyDate)), clock(text(one, TAG.studyTime))].filter(Boolean).join(", ")],
    [t("fact.accession"), text(one, TAG.accession)],
    [t("fact.referrer"), referrer && personName(referrer)],
    [t("fact.institution"), text(one, TAG.institution)],
    [t("fact.studyId"), text(one, TAG.studyId)],
    [t("fact.content"), `${t("count.series", { count: count(one, TAG.studySeries) })}, ${t("count.images", { count: count(one, TAG.studyInstances) })}`],
    [t("fact.studyUid"), study, true],
  ]);
}

function seriesCard(each, study) {
  const series = text(each, TAG.series);
  const described = text(each, TAG.seriesDescription) || text(each, "00181030") || text(each, "00180015");
  return h("a", { class: "card", href: address(studyPath(study, series)) },
    thumbnail(dicomweb(`${studyPath(study, series)}/thumbnail`, { accept: "image/jpeg" }), ""),
    h("div", { class: "card-text" },
      h("span", { class: "card-title" }, bdi(described || t("series.undescribed"), described ? {} : { class: "none" })),
      h("span", { class: "below" }, badges([text(each, TAG.modality)]), text(each, TAG.seriesNumber) && h("span", {}, t("series.number", { number: text(each, TAG.seriesNumber) })),
        h("span", { class: "dot" }, t("count.images", { count: count(each, TAG.seriesInstances) })))));
}
