// The same program for both twins, and what tells their answers apart.

import fs from "node:fs";
import { inspect } from "node:util";

export const env = process.env;
export const marker = env.SEALWIRE_MARKER;

export const trusting = { ca: fs.readFileSync(env.SEALWIRE_PROXY_CA), servername: "localhost" };

/** Connection parameters for `pg`, over the proxy's Unix socket. */
export function overSocket() {
  const url = new URL(env.SEALWIRE_PROXY_URL);
  return {
    host: env.SEALWIRE_PROXY_SOCKETS,
    port: Number(env.SEALWIRE_PROXY_PORT),
    user: url.username,
    password: url.password,
    database: url.pathname.slice(1),
  };
}

/** Labelled outcomes in their order. Types count: `1` and `'1'` are different answers. */
export class Record {
  entries = [];

  note(label, value) {
    const form = inspect(value, { depth: 10, maxStringLength: null, maxArrayLength: null, breakLength: Infinity });
    this.entries.push([label, form]);
  }

  /** What a promise comes to: its value, or everything that tells its error apart. */
  async attempt(label, promise) {
    try {
      this.note(label, await promise);
    } catch (error) {
      const cause = error.cause ?? error;
      if (!cause.code) throw error;
      // Values of encrypted columns are in no message of ours.
      const message = cause.message.replace(/:? "[^"]*"/, "");
      this.note(label, [cause.code, cause.severity, message, cause.constraint, cause.table]);
    }
  }
}

/** Compares records with the first, says how many comparisons there were, or ends the program. */
export function compare(records) {
  const [[name, expected], ...others] = Object.entries(records);
  const failures = [];
  let count = 0;
  for (const [otherName, other] of others) {
    if (other.entries.length !== expected.entries.length) {
      failures.push(`${name}: ${expected.entries.length} entries, ${otherName}: ${other.entries.length}`);
    }
    for (const [index, [label, want]] of expected.entries.entries()) {
      const [otherLabel, got] = other.entries[index] ?? [];
      count += 1;
      if (label !== otherLabel || want !== got) {
        failures.push(`${label}\n  ${name}: ${want}\n  ${otherName}: ${otherLabel}: ${got}`);
      }
    }
  }
  if (failures.length > 0 || count === 0) {
    console.error(`the twins differ:\n${failures.join("\n")}`);
    process.exit(1);
  }
  console.log(`checks: ${count}`);
}

export const columns = [
  "code", "n4", "n8", "t", "ok", "f8", "amount", "uid", "d", "ts", "tstz", "raw", "doc", "tags", "note",
];

/** An ordinary row of the table `items`. */
export function row(number) {
  const day = 86_400_000;
  return {
    code: `${marker}-${number}`,
    n4: number % 3,
    n8: String(777712345000n + BigInt(number)),
    t: `${marker} öffne dich ${number}`,
    ok: number % 2 === 0,
    f8: number / 7,
    amount: (number * 1.1).toFixed(2),
    uid: `5e5a3e5e-0000-4000-8000-${String(number).padStart(12, "0")}`,
    d: new Date(Date.UTC(2024, 1, 29) + number * day).toISOString().slice(0, 10),
    ts: new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 123) + number * day),
    tstz: new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 5) + number * day),
    raw: Buffer.concat([Buffer.from(`${marker}\0`), Buffer.from([255, number])]),
    doc: { key: `${marker} ${number}`, list: [1, null, true, 1.5] },
    tags: [`${marker} ${number}`, 'a "quoted", one\\', null, ""],
    note: `note ${number}`,
  };
}

export const empty = { ...Object.fromEntries(columns.map((name) => [name, null])), code: "empty" };

export function values(row) {
  return columns.map((name) => row[name]);
}
