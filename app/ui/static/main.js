// Where it begins: words, what surrounds the pages, then the page of the address.

import { startKeys } from "./keys.js";
import * as list from "./list/page.js";
import { addRoute, startRouter } from "./router.js";
import { showPage, startShell } from "./shell.js";
import { loadTexts } from "./texts.js";
import { startDropping } from "./upload/dropping.js";

addRoute("", async () => list);
addRoute("studies", async () => list);
addRoute("studies/:study", () => import("./study/study.js"));
addRoute("studies/:study/series/:series", () => import("./study/series.js"));
addRoute("studies/:study/series/:series/instances/:instance", () => import("./instance/page.js"));
addRoute("view/:study", () => import("./view/page.js"));
addRoute("deleted", () => import("./deleted/page.js"));
addRoute("system", () => import("./system/page.js"));
addRoute("missing", () => import("./missing.js"));

await loadTexts();
startShell({ upload: async () => (await import("./upload/panel.js")).choose() });
startKeys();
startDropping();
await startRouter(showPage);
