/** `startup_empty`: nothing: what starting and ending the runtime costs by itself. */

export {};
