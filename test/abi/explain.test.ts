import { describe, expect, test } from "vitest";
import {
  AT,
  IORING_ASYNC_CANCEL,
  IORING_CQE_F,
  IORING_OP,
  IORING_TIMEOUT,
  IOSQE,
  MSG,
  POLL,
} from "../../src/abi/constants.ts";
import * as encode from "../../src/abi/encode.ts";
import { ERRNO } from "../../src/abi/errno.ts";
import { causeOf, explain, isKnownError, remedy, type SqeWords } from "../../src/abi/explain.ts";
import { OPS } from "../../src/abi/ops.ts";

function sqe(write: (words: Int32Array) => void): SqeWords {
  const words = new Int32Array(32);
  write(words);
  return { words, at: 0 };
}

const READ = sqe((words) => encode.prepRead(words, 0, 9999, 0x7000, 4096, 0));

describe("explain() of an SQE", () => {
  test("names the op and what matters of its fields", () => {
    expect(explain(READ)).toBe("READ fd=9999 len=4096 offset=0");
    expect(explain(sqe((words) => encode.prepNop(words, 0)))).toBe("NOP");
    expect(explain(sqe((words) => encode.prepTimeout(words, 0, 1, 5, IORING_TIMEOUT.ABS)))).toBe(
      "TIMEOUT count=5 timeout_flags=ABS",
    );
    expect(explain(sqe((words) => encode.prepPollAdd(words, 0, 4, POLL.IN | POLL.RDHUP)))).toBe(
      "POLL_ADD fd=4 events=IN|RDHUP",
    );
    expect(explain(sqe((words) => encode.prepConnect(words, 0, 5, 1, 16)))).toBe("CONNECT fd=5 addrlen=16");
    expect(explain(sqe((words) => encode.prepCancelFd(words, 0, 5, IORING_ASYNC_CANCEL.ALL)))).toBe(
      "ASYNC_CANCEL fd=5 cancel_flags=ALL|FD",
    );
    expect(explain(sqe((words) => encode.prepCancel64(words, 0, 2n ** 63n, 0)))).toBe(
      "ASYNC_CANCEL target=9223372036854775808",
    );
  });

  test("tells the file position, file slots, groups and registered buffers apart from numbers", () => {
    expect(explain(sqe((words) => encode.prepRead(words, 0, 3, 1, 1, -1)))).toBe("READ fd=3 len=1 offset=current");
    expect(explain(sqe((words) => encode.prepCloseDirect(words, 0, 9)))).toBe("CLOSE slot=9");
    expect(explain(sqe((words) => encode.prepClose(words, 0, 9)))).toBe("CLOSE fd=9");
    expect(explain(sqe((words) => encode.prepReadFixed(words, 0, 3, 1, 2, 0, 0)))).toBe(
      "READ_FIXED fd=3 len=2 offset=0 buf_index=0",
    );
    expect(explain(sqe((words) => encode.prepReadMultishot(words, 0, 3, 0, -1, 7)))).toBe(
      "READ_MULTISHOT fd=3 offset=current group=7 sqe_flags=BUFFER_SELECT",
    );
  });

  test("shows an offset of -1 as a number where there is no file position", () => {
    expect(explain(sqe((words) => encode.prepFallocate(words, 0, 3, 0, 2n ** 64n - 1n, 1)))).toBe(
      "FALLOCATE fd=3 offset=18446744073709551615 len=1",
    );
    expect(explain(sqe((words) => encode.prepFtruncate(words, 0, 3, 0)))).toBe("FTRUNCATE fd=3 len=0");
  });

  test("reads a command's fields by the command", () => {
    expect(explain(sqe((words) => encode.prepCmdSock(words, 0, 2, 4, 1, 9, 0x7000, 4)))).toBe(
      "URING_CMD fd=4 command=2/GETSOCKOPT level=SOCKET optname=9 optlen=4",
    );
    expect(explain(sqe((words) => encode.prepCmdDiscard(words, 0, 4, 4096, 8192)))).toBe(
      "URING_CMD fd=4 command=DISCARD offset=4096 len=8192",
    );
    expect(explain(sqe((words) => encode.prepUringCmd(words, 0, 0x4e80 | 0, 4)))).toBe("URING_CMD fd=4 command=0x4e80");
    expect(explain(sqe((words) => encode.prepMsgRingFd(words, 0, 5, 1, 2, 9, 0)))).toBe(
      "MSG_RING ring=5 command=SEND_FD data=9 source_slot=1 slot=2",
    );
    expect(explain(sqe((words) => encode.prepMsgRingCqeFlags(words, 0, 5, 1, 9, 0, 3)))).toBe(
      "MSG_RING ring=5 command=DATA res=1 data=9 cqe_flags=3 msg_ring_flags=FLAGS_PASS",
    );
  });

  test("takes a socket's type apart, and names a personality", () => {
    const socket = sqe((words) => {
      encode.prepSocket(words, 0, 2, 2 | 0o2000000 | 0o4000, 0, 0);
      words[10] = 3 << 16;
    });
    expect(explain(socket)).toBe("SOCKET domain=INET type=DGRAM|NONBLOCK|CLOEXEC personality=3");
  });

  test("gives both paths of an op that takes two", () => {
    const rename = sqe((words) => encode.prepRenameat(words, 0, AT.FDCWD, 1, 7, 1, 0));
    expect(explain(rename, 0, { path: "/a", dest: "b" })).toBe('RENAMEAT path="/a" newdirfd=7 newpath="b" → 0');
  });

  test("names the flags of the SQE and of ioprio", () => {
    const send = sqe((words) => {
      encode.prepSendBundle(words, 0, 2, 0, MSG.MORE);
      encode.sqeSetFlags(words, 0, IOSQE.FIXED_FILE | IOSQE.IO_LINK);
    });
    expect(explain(send)).toBe("SEND slot=2 len=0 msg_flags=MORE ioprio=BUNDLE sqe_flags=FIXED_FILE|IO_LINK");
    expect(explain(sqe((words) => encode.prepRecvMultishot(words, 0, 2, 0, 0, 0)))).toBe(
      "RECV fd=2 len=0 ioprio=RECV_MULTISHOT",
    );
  });

  test("gives the path that is known, and the mode in octal", () => {
    const open = sqe((words) => encode.prepOpenat(words, 0, AT.FDCWD, 1, 0o2000102, 0o644));
    expect(explain(open, -2, { path: "/no/where" })).toBe(
      'OPENAT path="/no/where" open_flags=RDWR|CREAT|CLOEXEC mode=0o644 → ENOENT: no such file or directory: /no/where',
    );
  });

  test("shows a field that should be 0 and is not", () => {
    const wrong = sqe((words) => encode.prepSocket(words, 0, 2, 1, 0, 8));
    expect(explain(wrong)).toBe("SOCKET domain=INET type=STREAM rw_flags=8(not 0)");
  });

  test("takes bytes at any offset, and an opcode that nobody has", () => {
    const bytes = new Uint8Array(65);
    bytes.set(new Uint8Array(READ.words.buffer, 0, 64), 1);
    expect(explain(bytes.subarray(1))).toBe("READ fd=9999 len=4096 offset=0");
    expect(explain(new Uint8Array(64).fill(200), -22)).toBe("opcode 200 → EINVAL: invalid argument");
  });

  test("never throws, whatever the bytes say", () => {
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const fill of [0, 0xff, 0x55]) {
        const bytes = new Uint8Array(64).fill(fill);
        bytes[0] = opcode;
        expect(explain(bytes)).toContain(Object.values(OPS).find(({ code }) => code === opcode)?.name ?? "opcode");
      }
    }
  });
});

describe("explain() of a result", () => {
  test("says what the error means to that SQE", () => {
    expect(explain(READ, -9)).toBe("READ fd=9999 len=4096 offset=0 → EBADF: fd 9999 is not open");
    expect(explain(READ, 4096)).toBe("READ fd=9999 len=4096 offset=0 → 4096");
    expect(explain(READ, -9, { open: true })).toMatch(/fd 9999 is not open for reading$/);
  });

  test("shows the flags of the completion, and the events of a poll", () => {
    const multishot = sqe((words) => encode.prepReadMultishot(words, 0, 3, 0, -1, 7));
    const flags = IORING_CQE_F.BUFFER | IORING_CQE_F.MORE | (2 << 16);
    expect(explain(multishot, { res: 512, flags })).toMatch(/ → 512 buffer=2 flags=MORE$/);
    expect(explain(multishot, { res: -105, flags: 0 }, { groupKnown: true })).toMatch(
      / → ENOBUFS: buffer group 7 is exhausted$/,
    );
    expect(explain(sqe((words) => encode.prepPollAdd(words, 0, 4, POLL.IN)), POLL.IN | POLL.HUP)).toBe(
      "POLL_ADD fd=4 events=IN → IN|HUP",
    );
  });

  test("knows an empty slot, and flags that do not go together", () => {
    const withFlags = (flags: number) =>
      sqe((words) => {
        encode.prepFsync(words, 0, 3, 0);
        encode.sqeSetFlags(words, 0, flags);
      });
    expect(explain(withFlags(IOSQE.FIXED_FILE), -9)).toMatch(
      /EBADF: slot 3 of the registered files is empty or out of range$/,
    );
    expect(explain(withFlags(IOSQE.BUFFER_SELECT), -95)).toMatch(/EOPNOTSUPP: FSYNC takes no provided buffers$/);
    expect(explain(withFlags(0x80), -22)).toMatch(/EINVAL: the SQE has a flag that does not exist$/);
    expect(explain(withFlags(IOSQE.IO_DRAIN | IOSQE.CQE_SKIP_SUCCESS), -95)).toMatch(
      /IOSQE_CQE_SKIP_SUCCESS does not go with IOSQE_IO_DRAIN$/,
    );
  });
});

describe("explain() of an error", () => {
  test("alone gives name and text, of either sign", () => {
    expect(explain(-9)).toBe("EBADF: bad file descriptor");
    expect(explain(9)).toBe("EBADF: bad file descriptor");
    expect(explain(0)).toBe("no error");
    expect(explain(-4000)).toBe("E4000: unknown error");
  });

  test("with an op uses what else is known", () => {
    expect(explain(-9, "READ", { fd: 9999 })).toBe("EBADF: fd 9999 is not open");
    expect(explain(-9, "read")).toBe("EBADF: the file descriptor is not open");
    expect(explain(-77, "MSG_RING", { fd: 4 })).toBe("EBADFD: fd 4 is not a ring, or that ring is disabled");
    expect(explain(-22, "NOP128")).toBe("EINVAL: NOP128 needs 128-byte SQEs and Linux 6.19");
    expect(explain(-14, "READ_FIXED", { bufferIndex: 7 })).toBe(
      "EFAULT: registered buffer 7 does not exist, or the address range is not inside it",
    );
  });

  test("tells an exhausted buffer group from an unknown one", () => {
    expect(explain(-105, "RECV", { group: 7 })).toBe(
      "ENOBUFS: there is no buffer group 7, or it has no buffer left",
    );
    expect(explain(-105, "RECV", { group: 7, groupKnown: true })).toBe("ENOBUFS: buffer group 7 is exhausted");
  });

  test("names both causes where nobody looked", () => {
    expect(explain(-9, "WRITE", { fd: 3, open: "unknown" })).toBe("EBADF: fd 3 is not open, or not for writing");
    expect(explain(-105, "RECV", { group: 7, groupKnown: false })).toBe("ENOBUFS: there is no buffer group 7");
  });

  test("knows register ops by their names", () => {
    expect(explain(-16, "REGISTER_FILES")).toBe("EBUSY: one is registered already");
    expect(explain(-16, "IORING_REGISTER_FILES")).toBe("EBUSY: one is registered already");
    expect(explain(-17, "REGISTER_FILES")).toBe("EEXIST: the ring belongs to another thread");
    expect(remedy(-22, "REGISTER_ENABLE_RINGS")).toBe("it needs Linux 5.10");
    expect(explain(-16, "REGISTER_NOTHING")).toBe("EBUSY: device or resource busy");
  });

  test("of an unknown op falls back to the general text", () => {
    expect(explain(-9, "FLY")).toBe("EBADF: bad file descriptor");
  });

  test("leaves no blank unfilled, for any op and error", () => {
    for (const op in OPS) {
      for (const errno of Object.values(ERRNO)) {
        for (const context of [{}, { fd: 3, path: "/x", group: 1, bufferIndex: 2, len: 5, offset: 6 }]) {
          const text = explain(-errno, op, context) + remedy(-errno, op, context);
          expect(text).not.toMatch(/[[\]{}?|]|undefined| {2}/);
        }
      }
    }
  });
});

describe("explain() of a CQE", () => {
  test("gives user data, result, buffer and flags", () => {
    const flags = IORING_CQE_F.BUFFER | IORING_CQE_F.MORE | (3 << 16);
    expect(explain({ userData: 7, res: 512, flags })).toBe("user_data=7 res=512 buffer=3 flags=MORE");
    expect(explain({ userData: 2n ** 64n - 1n, res: 0, flags: 0 })).toBe("user_data=18446744073709551615 res=0");
  });

  test("says what an error means in general", () => {
    expect(explain({ userData: 7, res: -105, flags: 0 })).toBe(
      "user_data=7 res=-105 → ENOBUFS: no buffer space available",
    );
  });

  test("takes its bytes, too", () => {
    const bytes = new Uint8Array(new BigUint64Array([9n, 5n]).buffer);
    expect(explain(bytes)).toBe("user_data=9 res=5");
  });
});

describe("remedy()", () => {
  test("says what helps", () => {
    expect(remedy(-9, "WRITE", { fd: 3, open: true })).toBe("open it with O_WRONLY or O_RDWR");
    expect(remedy(-9, READ)).toBe("check that it was not closed earlier, and that it belongs to this process");
    expect(remedy(-22, "NOP128")).toBe("set the ring up with SQE_MIXED or SQE128");
  });

  test("is empty where there is nothing to say", () => {
    expect(remedy(0, "READ")).toBe("");
    expect(remedy(-9, "FLY")).toBe("");
  });
});

test("causeOf() gives both halves", () => {
  expect(causeOf(-9, READ, { open: true })).toEqual({
    cause: "fd 9999 is not open for reading",
    fix: "open it with O_RDONLY or O_RDWR",
  });
  expect(causeOf(-11, "FLY")).toEqual({ cause: "resource temporarily unavailable", fix: "" });
  expect(causeOf(0, "READ").cause).toBe("no error");
});

test("isKnownError() tells expected errors from surprises", () => {
  expect(isKnownError(-9, "READ")).toBe(true);
  expect(isKnownError(-ERRNO.ECANCELED, "READ")).toBe(true);
  expect(isKnownError(-ERRNO.ECHILD, "READ")).toBe(false);
  expect(isKnownError(-4000, "READ")).toBe(false);
});

test("opcodes and entries belong together", () => {
  expect(OPS.READ.code).toBe(IORING_OP.READ);
});
