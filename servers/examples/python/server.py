#!/usr/bin/env python3
"""Five services on asyncio, one loop, no library: python3 server.py SERVICE PORT.

The contract is servers/PROTOCOL.md; `bakeoff conform 'python3 server.py {service} {port}' -s SERVICE` holds it to that.
"""
import asyncio
import struct
import sys
import time

HEADER, LENGTH, LARGEST = struct.Struct("<IIQ"), struct.Struct("<I"), 4 << 20


class Connection(asyncio.Protocol):
    """One client. What it has sent and nobody has answered yet is in `left`."""

    def connection_made(self, transport):
        self.transport, self.left, self.busy, self.ended = transport, bytearray(), False, False

    # A client that does not read is not read from either.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    # It sends no more, and may still wait for replies.
    def eof_received(self):
        self.ended = True
        if not self.busy:
            self.transport.close()
        return True

    def data_received(self, data):
        self.left += data
        if not self.busy:
            self.answer()


class Echo(Connection):
    def data_received(self, data):
        self.transport.write(data)


class Line(Connection):
    def answer(self):
        *lines, rest = bytes(self.left).split(b"\n")
        self.left = bytearray(rest)
        for at, line in enumerate(lines):
            if line in (b"exit", b"exit\r"):
                self.transport.write(b"".join(one + b"\n" for one in lines[:at]))
                return self.transport.close()
        self.transport.write(b"".join(one + b"\n" for one in lines))


class Http(Connection):
    def answer(self):
        while (end := self.left.find(b"\r\n\r\n")) >= 0:
            words = bytes(self.left[:end]).split(b"\r\n")[0].split(b" ")
            del self.left[: end + 4]
            if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return self.transport.close()
            path, _, start = words[1].partition(b"?id=")
            if path.startswith(b"/bytes/") and path[7:].isdigit():
                body = content(int(path[7:]), int(start or 0))
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


class Wait(Connection):
    """The payload comes back when the demanded time is over, which occupies nobody."""

    def answer(self):
        while not self.busy and len(self.left) >= HEADER.size:
            length, zero, demand_ns = HEADER.unpack_from(self.left)
            if zero or length > LARGEST or demand_ns > 60 * 10**9:
                return self.transport.close()
            if len(self.left) < HEADER.size + length:
                return
            payload = bytes(self.left[HEADER.size : HEADER.size + length])
            del self.left[: HEADER.size + length]
            self.busy = True
            self.occupy((demand_ns or 10**6) / 1e9, payload)

    def occupy(self, seconds, payload):
        asyncio.get_running_loop().call_later(seconds, self.done, payload)

    def done(self, payload):
        self.busy = False
        self.transport.write(LENGTH.pack(len(payload)) + payload)
        self.answer()
        if self.ended and not self.busy:
            self.transport.close()


class Block(Wait):
    """The same, but a thread is stuck for that time: one of the loop's default pool."""

    def occupy(self, seconds, payload):
        stuck = asyncio.get_running_loop().run_in_executor(None, time.sleep, seconds)
        stuck.add_done_callback(lambda _: self.done(payload))


def random_block():
    """65,521 bytes of SplitMix64 from a seed of the contract."""
    state, mask, words = 0x62616B656F666621, 2**64 - 1, []
    for _ in range(65_521 // 8 + 1):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        words.append(z ^ (z >> 31))
    return struct.pack(f"<{len(words)}Q", *words)[:65_521]


BLOCK = random_block()


def content(size, start):
    start %= len(BLOCK)
    return (BLOCK * ((start + size) // len(BLOCK) + 1))[start : start + size]


async def main(service, port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(service, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    services = {"echo": Echo, "line": Line, "http": Http, "wait": Wait, "block": Block}
    if len(sys.argv) != 3 or sys.argv[1] not in services:
        sys.exit(f"python3 server.py {'|'.join(services)} PORT")
    asyncio.run(main(services[sys.argv[1]], int(sys.argv[2])))
