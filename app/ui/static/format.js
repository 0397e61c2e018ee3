// Values as a reader wants them, in the language of the page: names, dates, times, sizes, durations.

import { language, t } from "./texts.js";

const made = new Map();

function formatter(kind, options) {
  const key = kind.name + language() + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new kind(language(), options));
  return made.get(key);
}

// "Doe^Jane^Q^Dr^MD" as "Doe, Jane Q, Dr, MD" (PS3.5 6.2.1): family, given and middle, prefix, suffix.
export function personName(text) {
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = text.split("^").map((one) => one.trim());
  const first = [given, middle].filter(Boolean).join(" ");
  return [family, first, prefix, suffix].filter(Boolean).join(", ");
}

// A DA as the language writes dates; as it stands if it is none.
export function date(text, style = "medium") {
  const found = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text);
  if (!found) return text;
  const day = new Date(Date.UTC(+found[1], found[2] - 1, +found[3]));
  if (Number.isNaN(day.getTime()) || day.getUTCDate() !== +found[3]) return text;
  return formatter(Intl.DateTimeFormat, { dateStyle: style, timeZone: "UTC" }).format(day);
}

// The hours and minutes of a TM.
export function clock(text) {
  const found = /^(\d{2}):?(\d{2})/.exec(text);
  return found ? `${found[1]}:${found[2]}` : text;
}

// An ISO time of the server, in the zone of the reader.
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(at);
}

export function ago(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  const relative = formatter(Intl.RelativeTimeFormat, { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(Math.min(0, Math.trunc(seconds)), "second");
}

export function number(value, options) {
  return formatter(Intl.NumberFormat, options ?? {}).format(value);
}

export function bytes(value) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  const digits = at && value < 100 ? 1 : 0;
  return number(value, { style: "unit", unit: units[at], unitDisplay: at ? "short" : "long", maximumFractionDigits: digits });
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 90) return t("duration.seconds", { count: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return t("duration.minutes", { count: Math.round(seconds / 60) });
  return t("duration.hours", { count: Math.round(seconds / 3600) });
}

// Years between two DA, as a patient's age at a study; empty if either is no date.
export function age(birth, at) {
  if (!/^\d{8}$/.test(birth) || !/^\d{8}$/.test(at)) return "";
  const years = Math.floor((at - birth) / 10000);
  return years >= 0 && years < 130 ? t("patient.age", { count: years }) : "";
}
