// A few workers that decode frames, begun with the first and ended when there has been nothing to do for a while.

const WORKER = new URL("./worker.js", import.meta.url).href;
const MOST = Math.min(4, Math.max(2, (navigator.hardwareConcurrency ?? 2) - 1));
const LONGEST = 20_000; // milliseconds for a frame: a decoder that does not return from a damaged one is ended
const IDLE = 30_000;

// The one address a worker may be begun with, whatever is asked for (Trusted Types).
const trusted = globalThis.trustedTypes?.createPolicy("decoder", { createScriptURL: () => WORKER });

const idle = [];
const waiting = [];
let count = 0;
let resting = 0;

// What the worker makes of the job; `data` of it goes over to it.
export function decode(job, signal) {
  return new Promise((resolve, reject) => {
    const one = { job, signal, resolve, reject };
    signal.addEventListener("abort", () => {
      const at = waiting.indexOf(one);
      if (at >= 0) waiting.splice(at, 1);
      reject(signal.reason);
    }, { once: true });
    waiting.push(one);
    next();
  });
}

function next() {
  clearTimeout(resting);
  while (waiting.length && (idle.length || count < MOST)) run(idle.pop() ?? begin(), waiting.shift());
  if (!waiting.length) resting = setTimeout(rest, IDLE);
}

function begin() {
  count += 1;
  return new Worker(trusted?.createScriptURL(WORKER) ?? WORKER, { type: "module" });
}

function run(worker, { job, resolve, reject }) {
  const late = setTimeout(() => broken("the decoder does not come to an end"), LONGEST);
  const broken = (why) => {
    clearTimeout(late);
    worker.terminate();
    count -= 1;
    reject(Object.assign(new Error(why), { unloaded: true }));
    next();
  };
  worker.onerror = (event) => broken(event.message || "the decoder cannot be begun");
  worker.onmessage = ({ data: made }) => {
    clearTimeout(late);
    idle.push(worker);
    if (made.error) reject(Object.assign(new Error(made.error), { unloaded: made.unloaded }));
    else resolve(made);
    next();
  };
  worker.postMessage(job, [job.data.buffer]);
}

function rest() {
  count -= idle.length;
  for (const worker of idle.splice(0)) worker.terminate();
}
