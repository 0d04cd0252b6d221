import process from "node:process";

/** Whether this is a virtual machine for another kernel: it has no npm, and few programs besides. */
export const IN_GUEST: boolean = process.env["URING_GUEST"] === "1";
