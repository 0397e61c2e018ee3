// Where the bytes of an instance lie: each version, its object, size, transfer syntax and digest.

import { h } from "../dom.js";
import { bytes, moment, number } from "../format.js";
import { askJson, UI } from "../server.js";
import { arriving, facts } from "../study/parts.js";
import { t } from "../texts.js";

export function storageView({ study, series, instance }, signal) {
  const url = new URL(`data/stored/${[study, series, instance].map(encodeURIComponent).join("/")}.json`, UI);
  return arriving(askJson(url, { signal }), (told) => h("div", { class: "versions" }, told.versions.map((one) => version(one, told.store))));
}

function version(one, store) {
  const size = (value) => `${bytes(value)} (${t("count.bytes", { count: value })})`;
  return h("section", { class: "version", data: { state: one.state } },
    h("header", {}, h("span", { class: one.current ? "state good" : "state" }, t(`state.${one.state}`)), h("span", { class: "soft" }, one.until ? t("version.between", { from: moment(one.since), to: moment(one.until) }) : t("version.since", { when: moment(one.since) }))),
    facts([
      [t("fact.transferSyntax"), one.transferSyntaxName || one.transferSyntax],
      [t("fact.sopClass"), one.sopClassName || one.sopClass],
      [t("fact.size"), size(one.size)],
      [t("fact.revision"), number(one.revision)],
      [t("fact.digest"), one.digest, true],
      [t("fact.object"), `${store.replace(/\/$/, "")}/${one.object}`, true],
      one.original && [t("fact.originalSyntax"), one.original.transferSyntaxName || one.original.transferSyntax],
      one.original && [t("fact.originalSize"), size(one.original.size)],
      one.original && [t("fact.originalDigest"), one.original.digest, true],
    ]));
}
