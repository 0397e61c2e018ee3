// The words of the pages: texts/<language>.json, one file a language. t("upload.done", { count: 3 }).
//
// A text with forms for numbers stands there as "upload.done.one" and "upload.done.other", chosen by `count` as the
// language wants it (Intl.PluralRules).

import { prefer, preference } from "./preferences.js";

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français" };

let texts = {};
let plurals = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");

export function language() {
  return document.documentElement.lang || "en";
}

export function chosenLanguage() {
  const wanted = [preference("language"), ...navigator.languages.map((one) => one.slice(0, 2).toLowerCase())];
  return wanted.find((one) => one in LANGUAGES) ?? "en";
}

export async function loadTexts() {
  const chosen = chosenLanguage();
  texts = await (await fetch(new URL(`texts/${chosen}.json`, import.meta.url))).json();
  document.documentElement.lang = chosen;
  plurals = new Intl.PluralRules(chosen);
  numbers = new Intl.NumberFormat(chosen);
}

export function setLanguage(chosen) {
  prefer("language", chosen);
  location.reload();
}

export function t(key, values = {}) {
  const form = "count" in values ? `.${plurals.select(values.count)}` : "";
  const text = texts[key + form] ?? texts[`${key}.other`] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

export function has(key) {
  return key in texts;
}

function shown(value) {
  return typeof value === "number" ? numbers.format(value) : String(value);
}
