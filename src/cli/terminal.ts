/**
 * How numbers and marks look on a terminal of 80 columns.
 *
 * @module
 */

import process from "node:process";

/** Colours on a terminal that wants them, plain text elsewhere. */
export const paint = {
  bold: (text: string): string => escape(text, 1, 22),
  dim: (text: string): string => escape(text, 2, 22),
  green: (text: string): string => escape(text, 32, 39),
  yellow: (text: string): string => escape(text, 33, 39),
  red: (text: string): string => escape(text, 31, 39),
};

/** `12,345`. */
export function grouped(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 file`, `2 files`. */
export function plural(value: number, noun: string): string {
  return `${grouped(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** `261.0 MB`: decimal units. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}

/** `12.3 ms`, `1.23 s`. */
export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** `7.8×`, `0.92×`, `120×`. */
export function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 1 ? 2 : ratio < 100 ? 1 : 0)}×`;
}

/** Breaks a text at its spaces into rows of at most `width` characters; a longer word gets a row of its own. */
export function wrap(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = "";
  for (const word of text.split(" ")) {
    if (row !== "" && row.length + 1 + word.length > width) {
      rows.push(row);
      row = "";
    }
    row += row === "" ? word : ` ${word}`;
  }
  return [...rows, row];
}

/** The median; of an even count, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2;
}

/** A line on stderr that the next one replaces; nothing where stderr is no terminal. */
export class Progress {
  readonly #shown = process.stderr.isTTY === true;
  #last = 0;

  /** Shows `done` of `total` as a bar, at most ten times a second. */
  bar(label: string, done: number, total: number): void {
    const now = Date.now();
    if (!this.#shown || now - this.#last < 100) return;
    this.#last = now;
    const width = 28, filled = total === 0 ? width : Math.min(width, Math.round((done / total) * width));
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    this.#write(`${label.padEnd(40)} ${"█".repeat(filled)}${"░".repeat(width - filled)} ${percent} %`);
  }

  /** Shows a label. */
  label(text: string): void {
    this.#write(text);
  }

  /** Takes the line away. */
  clear(): void {
    this.#write("");
  }

  #write(text: string): void {
    if (this.#shown) process.stderr.write(`\r\x1b[K${text}`);
  }
}

function escape(text: string, on: number, off: number): string {
  const wanted = process.stdout.isTTY === true && !process.env["NO_COLOR"];
  return wanted ? `\x1b[${on}m${text}\x1b[${off}m` : text;
}
