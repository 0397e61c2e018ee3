// What stands in the corners of the picture: who, what, where, how.

import { TAG, count, names, text } from "../dicom.js";
import { bdi, fill, h } from "../dom.js";
import { clock, date, number, personName } from "../format.js";
import { t } from "../texts.js";

export function makeCorners() {
  const corner = (where) => h("div", { class: `view-corner ${where}` });
  const parts = { who: corner("top left"), what: corner("top right"), where: corner("bottom left"), how: corner("bottom right") };
  return { nodes: Object.values(parts), parts };
}

export function showWho({ parts }, study) {
  const name = names(study, TAG.patientName).map(personName).join(" ");
  fill(parts.who,
    line(name, "strong"),
    line(text(study, TAG.patientId)),
    line([date(text(study, TAG.studyDate)), clock(text(study, TAG.studyTime))].filter(Boolean).join(" ")));
}

export function showPlace({ parts }, slide, at, length) {
  const { header } = slide;
  fill(parts.what,
    line(text(header, TAG.institution)),
    line(text(header, TAG.studyDescription)),
    line([text(header, TAG.modality), text(header, TAG.seriesNumber), text(header, TAG.seriesDescription)].filter(Boolean).join(" · ")));
  const frames = count(header, TAG.frames) > 1 ? t("view.frame", { at: slide.frame, of: slide.frames }) : "";
  fill(parts.where,
    line(`${at + 1} / ${length}`, "strong"),
    line(frames),
    line(slide.thickness ? `${number(slide.thickness, { maximumFractionDigits: 2 })} mm` : ""));
}

export function showHow({ parts }, window, view, value) {
  const round = (one) => number(one, { maximumFractionDigits: Math.abs(one) < 10 ? 2 : 0 });
  fill(parts.how,
    line(value),
    line(`${number(view.zoom, { maximumFractionDigits: 2 })}×`),
    window && line(t("view.windowed", { center: round(window.center), width: round(window.width) })));
}

function line(words, name) {
  return words ? h("div", { class: name }, bdi(words)) : null;
}
