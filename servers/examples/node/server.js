// Four services on Node's own modules: node server.js SERVICE PORT. The contract is servers/PROTOCOL.md;
// `bakeoff conform 'node server.js {service} {port}' -s SERVICE` holds it to that.
'use strict';
const http = require('node:http');
const net = require('node:net');

const LARGEST = 4 << 20;

// 65,521 bytes of SplitMix64 from a seed of the contract.
function randomBlock() {
  const block = Buffer.alloc(65_528);
  let state = 0x62616b656f666621n;
  for (let at = 0; at < block.length; at += 8) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    block.writeBigUInt64LE(z ^ (z >> 31n), at);
  }
  return block.subarray(0, 65_521);
}

const BLOCK = randomBlock();

function content(size, id) {
  const start = id % BLOCK.length;
  if (start + size <= BLOCK.length) return BLOCK.subarray(start, start + size);
  return Buffer.alloc(start + size, BLOCK).subarray(start);
}

// A client that does not read is not read from either.
function write(socket, bytes) {
  if (bytes.length > 0 && !socket.write(bytes)) {
    socket.pause();
    socket.once('drain', () => socket.resume());
  }
}

function echo(socket) {
  socket.pipe(socket);
}

function line(socket) {
  let left = Buffer.alloc(0);
  socket.on('data', (data) => {
    left = Buffer.concat([left, data]);
    let begin = 0;
    for (let end; (end = left.indexOf(10, begin)) >= 0; begin = end + 1) {
      const word = end - begin <= 5 ? left.toString('latin1', begin, end) : '';
      if (word === 'exit' || word === 'exit\r') return socket.end(left.subarray(0, begin));
    }
    write(socket, left.subarray(0, begin));
    left = left.subarray(begin);
  });
  socket.on('end', () => socket.end());
}

// The payload comes back when the demanded time is over, which occupies nobody.
function wait(socket) {
  let [left, busy, ended] = [Buffer.alloc(0), false, false];
  const answer = () => {
    while (!busy && left.length >= 16) {
      const [length, zero, demand] = [left.readUInt32LE(0), left.readUInt32LE(4), left.readBigUInt64LE(8)];
      if (zero !== 0 || length > LARGEST || demand > 60_000_000_000n) return socket.destroySoon();
      if (left.length < 16 + length) return;
      const payload = left.subarray(16, 16 + length);
      left = left.subarray(16 + length);
      busy = true;
      // Timers count whole milliseconds, and a reply must not come too early.
      setTimeout(done, Math.ceil(Number(demand || 1_000_000n) / 1e6), payload);
    }
    if (ended && !busy) socket.end();
  };
  const done = (payload) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(payload.length);
    busy = false;
    write(socket, Buffer.concat([head, payload]));
    answer();
  };
  socket.on('data', (data) => {
    left = Buffer.concat([left, data]);
    answer();
  });
  socket.on('end', () => {
    ended = true;
    answer();
  });
}

function page(request, response) {
  const asked = /^\/bytes\/(\d+)(?:\?id=(\d+))?$/.exec(request.url);
  const body = asked ? content(Number(asked[1]), Number(asked[2] ?? 0)) : Buffer.from('not here\n');
  response.writeHead(asked ? 200 : 404, { 'Content-Length': body.length }).end(body);
}

const [service, port] = process.argv.slice(2);
const connections = { echo, line, wait };
if (!port || !(service === 'http' || service in connections)) {
  console.error('node server.js echo|line|http|wait PORT');
  process.exit(2);
}
const server =
  service === 'http'
    ? http.createServer({ keepAliveTimeout: 0 }, page)
    : net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        socket.on('error', () => socket.destroy()); // a client that is gone
        connections[service](socket);
      });
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
