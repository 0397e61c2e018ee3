// The series of the study beside the stage, to choose from.

import { TAG, count, text } from "../dicom.js";
import { bdi, fill, h } from "../dom.js";
import { dicomweb, studyPath } from "../server.js";
import { t } from "../texts.js";

export function makeStrip(choose) {
  const node = h("nav", { class: "view-strip", "aria-label": t("view.series") });
  const buttons = new Map();

  function show(study, series) {
    buttons.clear();
    fill(node, series.map((one) => {
      const uid = text(one, TAG.series);
      const picture = dicomweb(`${studyPath(study, uid)}/thumbnail`, { viewport: "128,128" });
      const words = text(one, TAG.seriesDescription) || t("view.seriesNumber", { number: text(one, TAG.seriesNumber) || "–" });
      const button = h("button", { type: "button", class: "view-series", data: { series: uid }, on: { click: () => choose(uid) } },
        h("img", { src: picture.href, alt: "", loading: "lazy", width: 96, height: 96, on: { error: (event) => event.target.classList.add("missing") } }),
        h("span", { class: "view-series-name" }, bdi(words)),
        h("span", { class: "view-series-facts" }, `${text(one, TAG.modality)} · ${count(one, TAG.seriesInstances)}`));
      buttons.set(uid, button);
      return button;
    }));
  }

  function mark(uid) {
    for (const [one, button] of buttons) {
      if (one === uid) {
        button.setAttribute("aria-current", "true");
        button.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else button.removeAttribute("aria-current");
    }
  }
  return { node, show, mark };
}
