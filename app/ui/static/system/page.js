// How the server is: what it holds, what it does, and the settings it runs with.

import { fill, h } from "../dom.js";
import { bytes, duration, moment, number } from "../format.js";
import { icon } from "../icons.js";
import { ask, askJson, ROOT, UI } from "../server.js";
import { facts } from "../study/parts.js";
import { t } from "../texts.js";
import { meter } from "./meter.js";
import { one as only, operations, readMetrics, sum, totals } from "./metrics.js";
import { settingsView } from "./settings.js";

const SECONDS = 2;
const OWN = new Set(["ui", "metrics", "health_ready", "health_live"]);

export async function show({ signal }) {
  const system = () => askJson(new URL("data/system.json", UI), { signal });
  const metrics = async () => readMetrics(await (await ask(new URL("metrics", ROOT), { signal, accept: "text/plain" })).text());
  const [first, samples] = await Promise.all([system(), metrics()]);
  const perSecond = (value) => t("system.perSecond", { value });
  const meters = {
    requests: meter(t("system.requests"), (value) => perSecond(number(value, { maximumFractionDigits: 1 }))),
    received: meter(t("system.received"), (value) => perSecond(bytes(value))),
    sent: meter(t("system.sent"), (value) => perSecond(bytes(value))),
    cpu: meter(t("system.cpu"), (value) => number(value, { style: "percent" })),
  };
  const state = h("div", {});
  const work = h("div", {});
  let before = totals(samples);
  function draw(told, numbers) {
    fill(state, stateView(told, numbers));
    fill(work, workView(numbers));
  }
  draw(first, samples);
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      const [told, numbers] = await Promise.all([system(), metrics()]);
      const now = totals(numbers);
      for (const [name, one] of Object.entries(meters)) one.add(Math.max(0, now[name] - before[name]) / (now.at - before.at));
      before = now;
      draw(told, numbers);
    } catch {
      // the bar says that the server is away
    }
  }, SECONDS * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  const node = h("div", { class: "page system" }, h("header", { class: "page-head" }, h("h1", {}, t("nav.system"))), state,
    h("section", {}, h("h2", {}, t("system.now")), h("div", { class: "meters" }, Object.values(meters).map((one) => one.node))), work, settingsView(first.settings));
  return { node, title: t("nav.system") };
}

function stateView(told, samples) {
  const held = (what, kind) => only(samples, `stored_${what}`, { state: kind }) ?? 0;
  const retained = held("instances", "retained");
  return [
    h("p", { class: told.ready ? "health good" : "health bad", role: "status" }, icon(told.ready ? "check" : "alert"), told.ready ? t("system.ready") : t("system.unready", { why: told.reason }),
      told.ready && told.reason !== "ok" && h("span", {}, told.reason)),
    h("div", { class: "figures" },
      figure(number(told.counts.studies), t("nav.studies")), figure(number(told.counts.series), t("tab.series")), figure(number(told.counts.instances), t("tab.images")),
      figure(bytes(held("bytes", "visible")), t("system.bytes")),
      figure(bytes(held("bytes", "retained")), t("system.retained", { count: retained }))),
    facts([
      [t("system.version"), `${told.name} ${told.version}`],
      [t("system.started"), `${moment(told.started)} (${duration((Date.now() - new Date(told.started)) / 1000)})`],
      [t("system.memory"), bytes(sum(samples, "process_resident_memory_bytes"))],
      [t("fact.revision"), number(told.revision)],
      [t("system.retention"), t("system.days", { count: told.retentionDays })],
      [t("system.store"), told.store, true],
    ]),
  ];
}

function figure(value, name) {
  return h("div", { class: "figure" }, h("strong", {}, value), h("span", { class: "soft" }, name));
}

function workView(samples) {
  const shown = operations(samples).filter((one) => !OWN.has(one.operation) && one.count).slice(0, 20);
  if (!shown.length) return null;
  const head = [["system.operation"], ["system.count"], ["system.mean"], ["system.errors"]];
  return h("section", {}, h("h2", {}, t("system.work")), h("div", { class: "scroll" }, h("table", { class: "numbers" },
    h("thead", {}, h("tr", {}, head.map(([text]) => h("th", { scope: "col" }, t(text))))),
    h("tbody", {}, shown.map((one) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, one.operation)), h("td", {}, number(one.count)),
      h("td", {}, t("system.milliseconds", { value: number((one.seconds / one.count) * 1000, { maximumFractionDigits: 1 }) })), h("td", {}, number(one.failed))))))));
}
