/**
 * Busy polling of network devices: IORING_REGISTER_NAPI.
 *
 * @module
 */

import { IO_URING_NAPI, IO_URING_NAPI_TRACKING } from "../abi/constants.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { checkInteger, checkU32, shown } from "./arguments.ts";
import type { Core } from "./core.ts";
import { UnsupportedError } from "./errors.ts";
import { olderThan, registerError, type RegisterName, registerQuietly } from "./register_call.ts";

/** How the NAPI ids to poll are found: from the sockets in use, from a list, or not at all. */
export type NapiTracking = "dynamic" | "static" | "inactive";

/** How a ring polls network devices while it waits. */
export interface NapiOptions {
  /** Microseconds to poll for, at most; the kernel cuts it to 10000. */
  readonly busyPollUs?: number;
  /** Prefer polling to interrupts. */
  readonly preferBusyPoll?: boolean;
  /** How NAPI ids are found: `"dynamic"` (the default) or, since 6.13, `"static"`. */
  readonly tracking?: Exclude<NapiTracking, "inactive">;
}

/** How a ring polled network devices until now. */
export interface NapiSettings {
  /** Microseconds to poll for, at most. */
  readonly busyPollUs: number;
  /** Prefer polling to interrupts. */
  readonly preferBusyPoll: boolean;
  /** How NAPI ids are found. Before 6.13 always `"dynamic"`. */
  readonly tracking: NapiTracking;
}

const TRACKING = {
  dynamic: IO_URING_NAPI_TRACKING.DYNAMIC,
  static: IO_URING_NAPI_TRACKING.STATIC,
} as const;

/** Sets how a ring polls; gives how it did until now. */
export function registerNapi(core: Core, options: NapiOptions): NapiSettings {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`options must be an object, not ${shown(options)}`);
  }
  const { busyPollUs = 0, preferBusyPoll = false, tracking = "dynamic" } = options;
  checkU32(busyPollUs, "busyPollUs");
  if (typeof preferBusyPoll !== "boolean") {
    throw new TypeError(`preferBusyPoll must be true or false, not ${shown(preferBusyPoll)}`);
  }
  if (!Object.hasOwn(TRACKING, tracking)) {
    throw new TypeError(`tracking must be "dynamic" or "static", not ${shown(tracking)}; to end it: unregisterNapi()`);
  }
  return settings(call(core, "NAPI", (arg) => {
    arg.setUint32(0, busyPollUs, true);
    arg.setUint8(4, Number(preferBusyPoll));
    arg.setUint8(5, IO_URING_NAPI.REGISTER_OP);
    arg.setUint32(8, TRACKING[tracking], true);
  }));
}

/** Ends busy polling; gives how it was. */
export function unregisterNapi(core: Core): Omit<NapiSettings, "tracking"> {
  const { busyPollUs, preferBusyPoll } = settings(call(core, "UNREGISTER_NAPI", () => {}));
  return { busyPollUs, preferBusyPoll };
}

/** Adds an id to the list of a ring with static tracking, or takes it out. */
export function changeNapiId(core: Core, id: number, add: boolean): void {
  checkInteger(id, "id", 1, 0xffffffff);
  call(core, "NAPI", (arg) => {
    arg.setUint8(5, add ? IO_URING_NAPI.STATIC_ADD_ID : IO_URING_NAPI.STATIC_DEL_ID);
    arg.setUint32(8, id, true);
  });
}

function call(core: Core, op: RegisterName, fill: (arg: DataView) => void): DataView {
  // struct io_uring_napi: busy_poll_to, prefer_busy_poll, opcode, pad, op_param, resv.
  const arg = new DataView(new ArrayBuffer(16));
  fill(arg);
  const rc = registerQuietly(core, op, arg, 1);
  if (rc >= 0) return arg;
  // Until then static tracking lay in reserved fields, which must be 0.
  if (rc === EINVAL && arg.getUint32(8, true) !== 0 && olderThan("6.13")) {
    throw new UnsupportedError('registerNapi() with tracking "static"', "Linux 6.13", kernelRelease());
  }
  if (rc === EOPNOTSUPP) {
    throw new UnsupportedError(`IORING_REGISTER_${op}`, "a kernel with CONFIG_NET_RX_BUSY_POLL", kernelRelease());
  }
  throw registerError(rc, op, {
    EINVAL:
      "the ring has iopoll, or its tracking is not static, which adding and removing ids needs (6.13), or the id " +
      "is none (SO_INCOMING_NAPI_ID gives a socket's)",
    ENOENT: "this id is not in the list",
    EEXIST: "this id is in the list already",
  });
}

const EINVAL = -22;
const EOPNOTSUPP = -95;

function settings(arg: DataView): NapiSettings {
  const tracking = arg.getUint32(8, true);
  return {
    busyPollUs: arg.getUint32(0, true),
    preferBusyPoll: arg.getUint8(4) !== 0,
    tracking: tracking === TRACKING.dynamic ? "dynamic" : tracking === TRACKING.static ? "static" : "inactive",
  };
}
