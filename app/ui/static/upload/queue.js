// The files on their way to the archive: small ones together, a few requests at a time. A request that is lost is
// sent again when the server is back; what the archive has already, it does not store twice.

import { back, isAway, lost } from "../connection.js";
import { t } from "../texts.js";
import { isZip, readAnswer, requestOf } from "./message.js";
import { Interrupted, send } from "./sending.js";

const TOGETHER_BYTES = 8 << 20;
const TOGETHER = 40;
const AT_ONCE = 3;
const ATTEMPTS = 6;

export class Queue {
  // `changed()` is called whenever anything is new.
  constructor(changed) {
    this.changed = changed;
    this.files = [];
    this.next = 0;
    this.working = 0;
    this.gathering = 0;
    this.bytes = 0;
    this.studies = new Set();
    this.counts = { stored: 0, failed: 0, images: 0 };
    this.ending = new AbortController();
    this.started = performance.now();
  }

  get done() {
    return !this.gathering && !this.working && this.next >= this.files.length;
  }

  get sent() {
    return this.files.reduce((sum, one) => sum + one.sent, 0);
  }

  async add(gathered) {
    this.gathering += 1;
    try {
      for await (const { file, path } of gathered) {
        this.files.push({ file, path, size: file.size, sent: 0, state: "waiting", reason: "" });
        this.bytes += file.size;
        this.work();
      }
    } finally {
      this.gathering -= 1;
      this.work();
      this.changed();
    }
  }

  retry() {
    const failed = this.files.filter((one) => one.state === "failed");
    this.files = this.files.filter((one) => one.state !== "failed");
    this.counts.failed = 0;
    this.next = this.files.findIndex((one) => one.state === "waiting");
    if (this.next < 0) this.next = this.files.length;
    for (const one of failed) this.files.push({ ...one, sent: 0, state: "waiting", reason: "" });
    this.ending = new AbortController();
    this.started = performance.now();
    this.work();
  }

  stop() {
    this.ending.abort(new DOMException("stopped", "AbortError"));
    for (const one of this.files) if (one.state === "waiting" || one.state === "sending") this.settle(one, "failed", t("upload.stopped"));
    this.next = this.files.length;
    this.changed();
  }

  work() {
    while (this.working < AT_ONCE && this.next < this.files.length) {
      // while folders are still being walked, wait until there is enough for a request
      const batch = this.batch();
      if (!batch.length) break;
      this.next += batch.length;
      this.working += 1;
      this.deliver(batch).finally(() => {
        this.working -= 1;
        this.work();
        this.changed();
      });
    }
    this.changed();
  }

  batch() {
    const batch = [];
    let bytes = 0;
    for (let at = this.next; at < this.files.length; at += 1) {
      const one = this.files[at];
      if (batch.length && (isZip(one.file) || isZip(batch[0].file) || bytes + one.size > TOGETHER_BYTES || batch.length >= TOGETHER)) return batch;
      batch.push(one);
      bytes += one.size;
    }
    return this.gathering && this.working && bytes < TOGETHER_BYTES ? [] : batch;
  }

  async deliver(batch) {
    const { signal } = this.ending;
    const request = requestOf(batch.map((one) => one.file));
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      for (const one of batch) Object.assign(one, { state: "sending", sent: 0 });
      try {
        this.take(batch, await send(request, { signal, progress: (bytes) => this.spread(batch, bytes) }));
        return;
      } catch (error) {
        if (!(error instanceof Interrupted)) return;
        if (attempt >= ATTEMPTS && !isAway()) {
          for (const one of batch) this.settle(one, "failed", error.message || t("upload.broken"));
          return;
        }
        for (const one of batch) Object.assign(one, { state: "held", sent: 0 });
        this.changed();
        lost(error.message);
        try {
          await back(signal);
        } catch {
          return;
        }
      }
    }
  }

  // How much of each file is out, of the bytes of all.
  spread(batch, bytes) {
    for (const one of batch) {
      one.sent = Math.min(one.size, bytes);
      bytes = Math.max(0, bytes - one.size);
    }
    this.changed();
  }

  take(batch, { status, module, message, skipped }) {
    const told = readAnswer(module);
    const answered = [200, 202, 400, 409, 507].includes(status) && !message;
    batch.forEach((one, at) => {
      if (!answered) this.settle(one, "failed", message || t("upload.status", { status }));
      else if (isZip(one.file)) this.takeZip(one, told, skipped);
      else if (told.problems.has(at + 1)) this.settle(one, "failed", told.problems.get(at + 1));
      else this.settle(one, "stored", "");
    });
    this.counts.images += told.stored;
    for (const study of told.studies) this.studies.add(study);
  }

  takeZip(one, told, skipped) {
    const parts = [t("count.images", { count: told.stored })];
    if (skipped) parts.push(t("upload.skipped", { count: skipped }));
    const problems = [...told.others, ...[...told.problems].map(([number, reason]) => `${number}: ${reason}`)];
    one.problems = problems;
    if (problems.length) parts.push(t("upload.refused", { count: problems.length }));
    this.settle(one, problems.length ? "failed" : "stored", parts.join(", "));
  }

  settle(one, state, reason) {
    this.counts[state] += 1;
    Object.assign(one, { state, reason, sent: one.size });
    one.file = state === "stored" ? { name: one.file.name, type: "" } : one.file;
  }
}
