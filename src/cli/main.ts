/**
 * The command `uring`.
 *
 * ```sh
 * deno run -A src/cli/main.ts doctor
 * bun src/cli/main.ts demo
 * npx uring bench
 * ```
 *
 * @module
 */

import { realpathSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

interface Command {
  readonly summary: string;
  /** Takes the arguments after the command's name; returns the exit code. */
  run(args: readonly string[]): number | Promise<number>;
}

/** Each is loaded when it is run: `help` works where nothing else does. */
const COMMANDS: Readonly<Record<string, Command>> = {
  doctor: {
    summary: "what this machine offers, what is missing, and how to get it",
    run: async (args) => (await import("./doctor.ts")).doctor(args),
  },
  demo: {
    summary: "reads a folder through io_uring and checks every byte",
    run: async (args) => (await import("./demo.ts")).demo(args),
  },
  bench: {
    summary: "how fast it is here, beside the runtime's own functions",
    run: async (args) => (await import("./bench.ts")).bench(args),
  },
  help: {
    summary: "this text",
    run: () => {
      process.stdout.write(help());
      return 0;
    },
  },
};

function help(): string {
  const names = Object.keys(COMMANDS);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const lines = names.map((name) => `  ${name.padEnd(width)}${COMMANDS[name]!.summary}`);
  return `Linux io_uring for JavaScript.

Usage: uring COMMAND [options]

${lines.join("\n")}

uring COMMAND --help tells a command's options.
`;
}

/**
 * Runs a command line.
 *
 * @param args What follows the program's name: a command and its arguments.
 * @returns The exit code: 2 when the command line is wrong.
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h") {
    process.stdout.write(help());
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    process.stderr.write(`uring: there is no command ${JSON.stringify(name)}\n\n${help()}`);
    return 2;
  }
  return await command.run(rest);
}

/** Node 20 has no import.meta.main, and npm starts its commands through symbolic links. */
function isProgram(): boolean {
  const main: unknown = import.meta.main;
  if (typeof main === "boolean") return main;
  try {
    return realpathSync(process.argv[1] ?? "") === fileURLToPath(import.meta.url);
  } catch {
    return false; // a program's name without its extension, or none: node -e, node -
  }
}

if (isProgram()) process.exitCode = await main(process.argv.slice(2));
