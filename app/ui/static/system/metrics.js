// The server's numbers, as it tells them to Prometheus, read and added up. Pure.

const LINE = /^dicomlake_(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

// [{ name, labels, value }]
export function readMetrics(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = LINE.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(LABEL)].map((one) => [one[1], one[2]]));
    found.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return found;
}

// The sum over all workers and labels but those asked for.
export function sum(samples, name, wanted = {}) {
  return samples.filter((one) => one.name === name && Object.entries(wanted).every(([label, value]) => one.labels[label] === value)).reduce((all, one) => all + one.value, 0);
}

// Of one worker, where all tell the same.
export function one(samples, name, wanted = {}) {
  return samples.find((sample) => sample.name === name && Object.entries(wanted).every(([label, value]) => sample.labels[label] === value))?.value;
}

// [{ operation, count, seconds, failed }], the most frequent first.
export function operations(samples) {
  const found = new Map();
  const entry = (name) => {
    if (!found.has(name)) found.set(name, { operation: name, count: 0, seconds: 0, failed: 0 });
    return found.get(name);
  };
  for (const { name, labels, value } of samples) {
    if (name === "requests_total") {
      entry(labels.operation).count += value;
      if (labels.status >= "500") entry(labels.operation).failed += value;
    } else if (name === "request_duration_seconds_sum") entry(labels.operation).seconds += value;
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

// What the list of numbers is about, at one moment.
export function totals(samples) {
  return {
    requests: sum(samples, "requests_total"),
    received: sum(samples, "request_body_bytes_total"),
    sent: sum(samples, "response_body_bytes_total"),
    cpu: sum(samples, "process_cpu_seconds_total"),
    at: performance.now() / 1000,
  };
}
