import process from "node:process";

/** How much slower than usual this machine is. */
export const TIME_SCALE: number = Number(process.env["URING_TIME_SCALE"] ?? 1);
