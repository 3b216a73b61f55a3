// Loaded into every Node of a test by NODE_OPTIONS: writes down each attempt to use the network, even one too short to be seen.
const { appendFileSync } = require('node:fs');
const dgram = require('node:dgram');
const dns = require('node:dns');
const net = require('node:net');
const { isMainThread } = require('node:worker_threads');

const note = (what) => appendFileSync(process.env.NET_RECORD, `${process.pid} ${what} ${process.argv[1]}\n`);
appendFileSync(`${process.env.NET_RECORD}.loaded`, `${isMainThread ? 'main' : 'thread'} ${process.argv[1]}\n`);

/** A path means a Unix socket; everything else is an address. */
const isLocal = (args) => {
  const [first] = Array.isArray(args[0]) ? args[0] : args;
  return typeof first === 'string'
    ? !/^\d+$/.test(first)
    : typeof first === 'object' && first !== null && 'path' in first && first.path !== null;
};
const watch = (target, name, isMeant) => {
  const original = target[name];
  target[name] = function (...args) {
    if (isMeant(args)) note(name);
    return original.apply(this, args);
  };
};
watch(net.Server.prototype, 'listen', (args) => !isLocal(args));
watch(net.Socket.prototype, 'connect', (args) => !isLocal(args));
watch(dgram.Socket.prototype, 'bind', () => true);
watch(dgram.Socket.prototype, 'send', () => true);
for (const name of ['lookup', 'resolve']) watch(dns, name, () => true);
