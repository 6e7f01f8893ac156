/** What is measured: the command each contender runs, how often, and what issue and docs ask of the figure. */

import { countBytes, python, replyLoop } from './children.mjs';
import { lastingMeasures } from './lasting-measures.mjs';

const MIB = 1024 ** 2;

/** Beyond any pipe, and beyond what compresses: read sixteen times over, it makes a GiB. */
const noise = { name: 'noise', size: 64 * MIB };

/**
 * @typedef {object} Measure
 * @property {string} letter
 * @property {string} title
 * @property {string} take the function of measure.py
 * @property {'ms' | 'µs' | 'MiB/s' | 'MiB' | 'files/s'} unit
 * @property {boolean} [isRate] more is better
 * @property {string} [reference] the contender that the ratio is to; docker exec, where none is named
 * @property {number} [median] what that ratio is to be
 * @property {number} [p99]
 * @property {boolean} [hasP99] to be shown, also where nothing is asked of it
 * @property {number} [growth] in MiB, what memory is to stay below
 * @property {Record<string, string>} [forms] where ways to use sbx are compared: their titles, that of `sbx` first;
 *   `commands` gives the commands by the same names
 * @property {(order: object) => string[]} [prepareHere] what makes its files on this side, in `order.here`
 * @property {(wrap: Wrap, dir: string, order: object) => string[]} [prepare] what makes them on the other
 * @property {(wrap: Wrap, dir: string, order: object) => object} commands
 *
 * @typedef {import('./contenders.mjs').Contender['wrap']} Wrap
 */

/** As many files as sources have, and as small. */
const files = { count: 10_000, name: 'files' };
const makeFiles = [
  'import os, random, sys',
  'random.seed(1)',
  `for i in range(${files.count}):`,
  '    folder = os.path.join(sys.argv[1], str(i // 100))',
  '    os.makedirs(folder, exist_ok=True)',
  '    with open(os.path.join(folder, str(i)), "wb") as file: file.write(random.randbytes(random.randint(1024, 4096)))',
].join('\n');

/** 100 MiB in 2,000 files that nothing makes smaller, in one pack, as a server keeps them. */
const repository = { size: 100, name: 'repository' };
const makeRepository = [
  'set -e; git init -q -b main "$1"; cd "$1"',
  'for i in $(seq 2000); do head -c 52429 /dev/urandom >file$i; done; git add -A',
  'git -c user.name=bench -c user.email=bench@localhost commit -qm all; git repack -qad',
].join('\n');

/** @type {Record<string, Measure>} */
export const measures = {
  start: {
    letter: 'a',
    title: '`true`, start to exit',
    take: 'start',
    unit: 'ms',
    scale: 1000,
    median: 0.9,
    order: { rounds: 60, unrecorded: 3 },
    commands: (wrap) => ({ argv: wrap(['true']) }),
  },
  'first-byte': {
    letter: 'b',
    title: 'first byte of a child that then sleeps',
    take: 'first-byte',
    unit: 'ms',
    scale: 1000,
    order: { rounds: 30, unrecorded: 2 },
    commands: (wrap) => ({ argv: wrap(['sh', '-c', 'printf x; sleep 0.1'], { stream: true }) }),
  },
  turns: {
    letter: 'c',
    title: 'a JSON Lines turn',
    take: 'turns',
    unit: 'µs',
    scale: 1e6,
    median: 0.8,
    p99: 1.2,
    order: { rounds: 20, unrecorded: 1, block: 250, warmUp: 10 },
    commands: (wrap) => ({ argv: wrap([python, '-c', replyLoop], { stdin: true, stream: true }) }),
  },
  out: {
    letter: 'd',
    title: '1 GiB out, `head -c 1G /dev/zero`',
    take: 'out',
    unit: 'MiB/s',
    scale: 1,
    isRate: true,
    median: 1,
    order: { rounds: 5, unrecorded: 0, size: 1024 * MIB },
    commands: (wrap, _dir, { size }) => ({
      argv: wrap(['head', '-c', String(size), '/dev/zero'], { stream: true }),
    }),
  },
  'out-random': {
    letter: 'd',
    title: '1 GiB out, `cat` of random bytes',
    take: 'out',
    unit: 'MiB/s',
    scale: 1,
    isRate: true,
    median: 1,
    order: { rounds: 5, unrecorded: 0, size: 1024 * MIB },
    prepare: (wrap, dir) =>
      wrap(['sh', '-c', `head -c ${noise.size} /dev/urandom >${dir}/${noise.name}`], { stream: true }),
    commands: (wrap, dir, { size }) => ({
      argv: wrap(['cat', ...Array(size / noise.size).fill(`${dir}/${noise.name}`)], { stream: true }),
    }),
  },
  in: {
    letter: 'e',
    title: '1 GiB in, random bytes, counted by the child',
    take: 'in',
    unit: 'MiB/s',
    scale: 1,
    isRate: true,
    median: 1.5,
    order: { rounds: 5, unrecorded: 0, size: 1024 * MIB },
    commands: (wrap) => ({ argv: wrap([python, '-c', countBytes], { stdin: true, stream: true }) }),
  },
  memory: {
    letter: 'f',
    title: 'memory while a reader sleeps with 4 GiB to come',
    take: 'memory',
    unit: 'MiB',
    only: ['sbx', 'docker'],
    growth: 64,
    order: { rounds: 1, unrecorded: 0, size: 4096 * MIB, settle: 3, sleep: 15 },
    commands: (wrap, _dir, { size }) => ({
      argv: wrap(['head', '-c', String(size), '/dev/zero'], { stream: true }),
      idle: wrap(['sleep', '4'], { stream: true }),
    }),
  },
  busy: {
    letter: 'g',
    title: 'a turn beside 50 busy streams',
    take: 'busy',
    unit: 'ms',
    scale: 1000,
    only: ['sbx', 'docker', 'local'],
    p99: 1,
    order: { rounds: 3, unrecorded: 0, streams: 50, turns: 1000, seconds: 20 },
    commands: (wrap) => ({
      argv: wrap(['cat', '/dev/zero'], { stream: true }),
      turn: wrap([python, '-c', replyLoop], { stdin: true, stream: true }),
    }),
  },
  'rsync-in': {
    letter: 'h',
    title: '`rsync -a` of 10,000 files of 1 to 4 KiB, in',
    ...toTransfer('files/s'),
    order: { rounds: 5, unrecorded: 1, amount: files.count },
    prepareHere: ({ here }) => [python, '-c', makeFiles, `${here}/${files.name}`],
    commands: (wrap, dir, { here, rsh, host }) => ({
      before: wrap(['rm', '-rf', `${dir}/${files.name}`]),
      argv: ['rsync', '-a', '-e', rsh, `${here}/${files.name}/`, `${host}:${dir}/${files.name}/`],
    }),
  },
  'rsync-out': {
    letter: 'h',
    title: '`rsync -a` of 10,000 files of 1 to 4 KiB, out',
    ...toTransfer('files/s'),
    order: { rounds: 5, unrecorded: 1, amount: files.count },
    prepare: (wrap, dir) => wrap([python, '-c', makeFiles, `${dir}/out`]),
    commands: (_wrap, dir, { here, rsh, host }) => ({
      before: ['rm', '-rf', `${here}/out`],
      argv: ['rsync', '-a', '-e', rsh, `${host}:${dir}/out/`, `${here}/out/`],
    }),
  },
  clone: {
    letter: 'i',
    title: '`git clone` of 100 MiB',
    ...toTransfer('MiB/s'),
    order: { rounds: 5, unrecorded: 1, amount: repository.size },
    prepare: (wrap, dir) => wrap(['sh', '-c', makeRepository, 'sh', `${dir}/${repository.name}`]),
    commands: (_wrap, dir, { here, rsh, host }) => ({
      before: ['rm', '-rf', `${here}/clone`],
      argv: [
        ...['env', `GIT_SSH_COMMAND=${rsh}`],
        ...['git', 'clone', '-q', `${host}:${dir}/${repository.name}`, `${here}/clone`],
      ],
    }),
  },
  ...lastingMeasures,
};

/** What the transfers through a remote shell have in common: they are compared with ssh. */
function toTransfer(unit) {
  return {
    take: 'transfer',
    unit,
    scale: 1,
    isRate: true,
    median: 0.8,
    reference: 'ssh',
    only: ['sbx', 'ssh'],
  };
}

/** A short look instead of figures to keep. */
export function shorten(order) {
  return {
    ...order,
    rounds: Math.max(1, Math.ceil(order.rounds / 3)),
    ...(order.size > 0 && { size: order.size / 4 }),
    ...(order.seconds > 0 && { seconds: order.seconds / 2 }),
    ...(order.sleep > 0 && { sleep: order.sleep / 2 }),
  };
}
