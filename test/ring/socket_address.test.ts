import { isIPv4, isIPv6 } from "node:net";
import { describe, expect, test } from "vitest";
import { AF, decodeAddress, encodeAddress } from "../../mod.ts";
import { formatIpv6, parseIpv4, parseIpv6 } from "../../src/memory/ip.ts";
import { addressText } from "../../src/memory/sockaddr.ts";
import { type ErrorClass, thrown } from "../support/failure.ts";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("encodeAddress()", () => {
  test("lays IPv4 out as struct sockaddr_in", () => {
    expect(hex(encodeAddress({ hostname: "127.0.0.1", port: 0x1f90 }))).toBe("02001f907f0000010000000000000000");
  });

  test("lays IPv6 out as struct sockaddr_in6", () => {
    const address = { hostname: "fe80::1:2", port: 443, scopeId: 3, flowInfo: 0xabcde };
    expect(hex(encodeAddress(address))).toBe("0a0001bb000abcde" + "fe800000000000000000000000010002" + "03000000");
  });

  test("lays paths out as struct sockaddr_un, with the NUL that ends them", () => {
    expect(hex(encodeAddress({ path: "/a" }))).toBe("01002f6100");
    expect(hex(encodeAddress({ path: "é" }))).toBe("0100c3a900");
    expect(encodeAddress({ path: "x".repeat(107) }).length).toBe(110);
  });

  test("counts every byte of an abstract name, and adds none", () => {
    expect(hex(encodeAddress({ path: "\0a" }))).toBe("01000061");
    expect(hex(encodeAddress({ path: "\0a\0b" }))).toBe("010000610062");
    expect(encodeAddress({ path: "\0" + "x".repeat(107) }).length).toBe(110);
  });

  test("copies raw bytes, of any view", () => {
    const raw = new Uint8Array([9, AF.UNIX, 0, 9]);
    const encoded = encodeAddress(raw.subarray(1, 3));
    expect([...encoded]).toEqual([1, 0]);
    raw.fill(7);
    expect([...encoded]).toEqual([1, 0]);
    expect([...encodeAddress(new DataView(raw.buffer, 0, 2))]).toEqual([7, 7]);
    expect([...encodeAddress(raw.buffer)]).toEqual([7, 7, 7, 7]);
    expect(encodeAddress(new Uint8Array(128)).length).toBe(128);
  });
});

const REFUSED: [string, unknown, ErrorClass<Error>, RegExp][] = [
  ["null", null, TypeError, /^address must be \{ hostname, port \}, \{ path \} or the bytes of a sockaddr, not null/],
  ["text", "127.0.0.1:80", TypeError, /not "127.0.0.1:80"/],
  ["an object without either", { port: 80 }, TypeError, /must be \{ hostname, port \}.*not another object/],
  ["both", { hostname: "::1", port: 1, path: "/x" }, TypeError, /both hostname and path/],
  [
    "a name",
    { hostname: "localhost", port: 80 },
    TypeError,
    /hostname must be a numeric.*"localhost".*looks no names up/,
  ],
  ["an empty name", { hostname: "", port: 80 }, TypeError, /hostname must be a numeric address/],
  ["brackets", { hostname: "[::1]", port: 80 }, TypeError, /leave the brackets out/],
  ["a zone", { hostname: "fe80::1%eth0", port: 80 }, TypeError, /give the zone's number as scopeId/],
  ["a hostname that is no text", { hostname: 1, port: 80 }, TypeError, /hostname must be a string, not 1/],
  ["a short IPv4", { hostname: "127.1", port: 80 }, TypeError, /"127.1"/],
  ["an octal IPv4", { hostname: "127.0.0.010", port: 80 }, TypeError, /"127.0.0.010"/],
  ["no port", { hostname: "127.0.0.1" }, TypeError, /^address.port must be an integer from 0 to 65535, not undefined/],
  ["a port of text", { hostname: "127.0.0.1", port: "80" }, TypeError, /^address.port must be.*not "80"/],
  [
    "port 65536",
    { hostname: "127.0.0.1", port: 65536 },
    RangeError,
    /^address.port must be from 0 to 65535, not 65536/,
  ],
  ["port -1", { hostname: "127.0.0.1", port: -1 }, RangeError, /^address.port must be from 0 to 65535, not -1/],
  ["port 1.5", { hostname: "127.0.0.1", port: 1.5 }, TypeError, /^address.port must be an integer/],
  ["a scope for IPv4", { hostname: "1.2.3.4", port: 1, scopeId: 2 }, TypeError, /no scopeId and no flowInfo/],
  ["a scope of 2^32", { hostname: "::1", port: 1, scopeId: 2 ** 32 }, RangeError, /^address.scopeId must be from 0/],
  [
    "flowInfo of 29 bits",
    { hostname: "::1", port: 1, flowInfo: 2 ** 28 },
    RangeError,
    /^address.flowInfo must be from 0/,
  ],
  ["an empty path", { path: "" }, TypeError, /path is empty/],
  ["a path that is no text", { path: 3 }, TypeError, /path must be a string, not 3/],
  ["a NUL in a path", { path: "/a\0b" }, TypeError, /contains a NUL/],
  ["a path of 108 bytes", { path: "x".repeat(108) }, RangeError, /is 108 bytes long; the kernel takes at most 107/],
  ["a path of 108 bytes in fewer letters", { path: "é".repeat(54) }, RangeError, /is 108 bytes long/],
  ["an abstract name of 109 bytes", { path: "\0" + "x".repeat(108) }, RangeError, /109 bytes long.*at most 108/],
  ["no bytes", new Uint8Array(0), RangeError, /^address has length 0/],
  ["1 byte", new Uint8Array(1), RangeError, /a sockaddr of 2 to 128 bytes, not of 1/],
  ["129 bytes", new Uint8Array(129), RangeError, /a sockaddr of 2 to 128 bytes, not of 129/],
];

describe("encodeAddress() refuses", () => {
  test.each(REFUSED)("%s", (_, address, type, message) => {
    expect(thrown(() => encodeAddress(address as never), type).message).toMatch(message);
  });

  test("bytes that are detached", () => {
    const bytes = new Uint8Array(16);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(thrown(() => encodeAddress(bytes), TypeError).message).toMatch(/is detached/);
  });
});

describe("decodeAddress()", () => {
  test.each([
    [{ hostname: "0.0.0.0", port: 0 }],
    [{ hostname: "255.254.253.1", port: 65535 }],
    [{ hostname: "::", port: 1 }],
    [{ hostname: "fe80::1:2", port: 443, scopeId: 3, flowInfo: 0xabcde }],
    [{ hostname: "::ffff:192.0.2.1", port: 80 }],
    [{ path: "/run/socket" }],
    [{ path: "\0abstract" }],
    [{ path: "\0with\0NUL" }],
    [{ path: "x".repeat(107) }],
  ])("gives %j back", (address) => {
    expect(decodeAddress(encodeAddress(address))).toEqual(address);
  });

  test("gives an empty path for a unix socket without a name, and nothing for nothing", () => {
    expect(decodeAddress(new Uint8Array([AF.UNIX, 0]))).toEqual({ path: "" });
    expect(decodeAddress(new Uint8Array(16), 0)).toBeUndefined();
    expect(decodeAddress(new Uint8Array(1))).toBeUndefined();
  });

  test("gives a copy of the bytes where it knows no better: other families, cut ones, names that are no text", () => {
    for (const bytes of [[AF.NETLINK, 0, 1, 2], [AF.INET, 0, 0, 80], [AF.UNIX, 0, 0, 0xff]]) {
      const given = new Uint8Array(bytes);
      const decoded = decodeAddress(given) as Uint8Array;
      expect([...decoded]).toEqual(bytes);
      expect(decoded.buffer).not.toBe(given.buffer);
      expect([...encodeAddress(decoded)]).toEqual(bytes);
    }
  });
});

describe("addressText()", () => {
  test.each([
    [{ hostname: "127.0.0.1", port: 80 }, "127.0.0.1:80"],
    [{ hostname: "::1", port: 80 }, "[::1]:80"],
    [{ path: "/run/x" }, "/run/x"],
    [{ path: "\0x" }, "@x"],
    [new Uint8Array([16, 0, 1]), "a sockaddr of family 16"],
  ])("of %j", (address, text) => {
    expect(addressText(encodeAddress(address))).toBe(text);
  });
});

describe("IP addresses as text", () => {
  const TEXTS = [
    ..."0.0.0.0 1.2.3.4 255.255.255.255 256.1.1.1 1.2.3 1.2.3.4.5 01.2.3.4 1.2.3.04 1..2.3 a.b.c.d".split(" "),
    ..." 1.2.3.4|1.2.3.4 |+1.2.3.4|1.2.3.-4|0x1.2.3.4|1e1.2.3.4".split("|"),
    ...":: ::1 1:: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1::8 fe80::1 FE80::ABCD 0:0:0:0:0:0:0:0".split(" "),
    ...": ::: 1: :1 1::2::3 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: ::1:2:3:4:5:6:7:8 12345:: g::".split(" "),
    ...":1:2:3:4:5:6:7 1:2:3:4:5:6:7: 1:::2 ::1. ::1.2.3 ::1.2.3.4 ::ffff:1.2.3.4 1.2.3.4:: ::1.2.3.4:5".split(" "),
    ..."1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:1.2.3.4 1:2:3:4:5:1.2.3.4 64:ff9b::1.2.3.256 ::01.2.3.4".split(" "),
  ];

  test.each(TEXTS)("%j is taken where Node takes it, and only there", (text) => {
    expect(parseIpv4(text) !== undefined, "IPv4").toBe(isIPv4(text));
    expect(parseIpv6(text) !== undefined, "IPv6").toBe(isIPv6(text));
  });

  test.each([
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:3:0:5:0:7:0", "1:0:3:0:5:0:7:0"],
    ["1:0:0:4:0:0:0:8", "1:0:0:4::8"],
    ["::ffff:0102:0304", "::ffff:1.2.3.4"],
    ["::1.2.3.4", "::102:304"],
  ])("%s is written %s, as RFC 5952 has it", (text, canonical) => {
    expect(formatIpv6(parseIpv6(text)!)).toBe(canonical);
    expect(formatIpv6(parseIpv6(canonical)!)).toBe(canonical);
  });
});
