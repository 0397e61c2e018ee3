// Windows to look through: what the image says, and what is usual for CT.

import { text, values } from "../dicom.js";
import { t } from "../texts.js";

const OF_CT = [["soft", 40, 400], ["lung", -600, 1500], ["bone", 480, 2500], ["brain", 40, 80], ["liver", 80, 150]];

// Whether grey values are shown through a window at all.
export function hasWindow(data) {
  return text(data, "00280002") === "1" && text(data, "00280004").startsWith("MONOCHROME") && text(data, "00280100") !== "1";
}

// [[name, center, width]]; without numbers it is as the image says.
export function windowsOf(data) {
  const found = [[t("window.auto")]];
  const centers = values(data, "00281050");
  const widths = values(data, "00281051");
  const told = values(data, "00281055");
  centers.forEach((center, at) => {
    if (Number.isFinite(Number(center)) && Number(widths[at]) >= 1) found.push([told[at] || t("window.stored", { number: at + 1 }), Number(center), Number(widths[at])]);
  });
  if (text(data, "00080060") === "CT") found.push(...OF_CT.map(([name, center, width]) => [t(`window.${name}`), center, width]));
  return found;
}
