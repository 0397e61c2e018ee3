// Where to find what was stored: a link to each study.

import { count, names, TAG, text, values } from "../dicom.js";
import { bdi, h } from "../dom.js";
import { personName } from "../format.js";
import { badges } from "../list/row.js";
import { address } from "../router.js";
import { search, studyPath } from "../server.js";
import { t } from "../texts.js";

const MOST = 5;

export async function studyLinks(studies) {
  const { matches } = await search("studies", { StudyInstanceUID: studies.slice(0, MOST).join(","), includefield: "StudyDescription" });
  const more = studies.length - matches.length;
  return h("ul", { class: "upload-studies" }, matches.map(link), more > 0 && h("li", { class: "soft" }, t("upload.studies", { count: more })));
}

function link(one) {
  const name = names(one, TAG.patientName)[0];
  return h("li", {}, h("a", { href: address(studyPath(text(one, TAG.study))) },
    h("strong", {}, bdi(name ? personName(name) : t("patient.unnamed"))),
    h("span", { class: "below" }, badges(values(one, TAG.modalities)), bdi([text(one, TAG.studyDescription), t("count.images", { count: count(one, TAG.studyInstances) })].filter(Boolean).join(" · ")))));
}
