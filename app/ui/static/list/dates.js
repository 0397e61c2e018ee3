// Ranges of study dates: presets that go with the day ("7d"), and ranges of days ("20240101-20240131", open at either
// end).

export const PRESETS = ["today", "yesterday", "7d", "30d", "1y"];
const RANGE = /^(\d{8})?-(\d{8})?$/;

export function isRange(text) {
  return PRESETS.includes(text) || (RANGE.test(text) && text !== "-");
}

// As QIDO-RS wants it; empty for all dates.
export function dicomRange(text, today = new Date()) {
  const day = (back) => {
    const date = new Date(today.getFullYear(), today.getMonth(), today.getDate() - back);
    return asDicom(date);
  };
  switch (text) {
    case "today": return day(0);
    case "yesterday": return day(1);
    case "7d": return `${day(6)}-`;
    case "30d": return `${day(29)}-`;
    case "1y": return `${day(364)}-`;
    default: return isRange(text) ? text : "";
  }
}

export function ends(text) {
  const found = RANGE.exec(text);
  return found ? [found[1] ?? "", found[2] ?? ""] : ["", ""];
}

export function rangeOf(from, to) {
  return from || to ? `${from}-${to}` : "";
}

export function toField(text) {
  return text ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : "";
}

export function fromField(text) {
  return text.replaceAll("-", "");
}

function asDicom(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
}
