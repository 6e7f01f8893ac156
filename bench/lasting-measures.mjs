/** What it costs that an exec outlives its connection: sbx compared with sbx. */
import { fileURLToPath } from 'node:url';
import { countBytes, python, replyLoop, writeTimes } from './children.mjs';

const MIB = 1024 ** 2;
const runMany = fileURLToPath(new URL('run-many.py', import.meta.url));
const proxy = fileURLToPath(new URL('cutting-proxy.mjs', import.meta.url));

/** Resume switched off: the client keeps nothing of what it has sent. */
const never = ['--reconnect-grace', '0s'];

const toScript = (script, ...words) => ['sh', '-c', script, 'sh', ...words];

/** These are given the words of a command, of which the first is sbx; the second the name of a file before them. */
const startAndWait = 'exec "$1" wait "$("$@")"';
const startAndNote = 'file=$1; shift; "$@" >"$file" && exec "$1" wait "$(cat "$file")"';

/** A daemon that has done nothing yet, and knows of no exec. */
const startAnew = ({ sbx, records }) =>
  toScript('"$1" daemon stop && rm -rf "$2" && "$1" inspect bench >/dev/null', sbx, records);

/** @type {Record<string, import('./measures.mjs').Measure>} */
export const lastingMeasures = {
  'resume-turns': {
    letter: 'j',
    title: 'a JSON Lines turn, able to resume',
    take: 'turns',
    unit: 'µs',
    scale: 1e6,
    ...toResumeCost({ median: 1.05 }),
    order: { rounds: 20, unrecorded: 1, block: 250, warmUp: 10 },
    commands: (wrap) => toBoth(wrap, [python, '-c', replyLoop]),
  },
  'resume-out': {
    letter: 'j',
    title: '1 GiB out, able to resume',
    take: 'out',
    ...toResumeCost({ isRate: true, median: 0.95 }),
    order: { rounds: 7, unrecorded: 1, size: 1024 * MIB },
    commands: (wrap, _dir, { size }) => toBoth(wrap, ['head', '-c', String(size), '/dev/zero']),
  },
  'resume-in': {
    letter: 'j',
    title: '1 GiB in, able to resume',
    take: 'in',
    ...toResumeCost({ isRate: true, median: 0.95 }),
    order: { rounds: 7, unrecorded: 1, size: 1024 * MIB },
    commands: (wrap) => toBoth(wrap, [python, '-c', countBytes]),
  },
  detached: {
    letter: 'k',
    title: '1 GiB into the log of a detached exec',
    take: 'out',
    ...toHalfOfAttached('exec -d, then wait'),
    order: { rounds: 5, unrecorded: 1, size: 1024 * MIB },
    commands: (wrap, _dir, { size }) => {
      const argv = ['head', '-c', String(size), '/dev/zero'];
      return {
        sbx: { take: 'detached', argv: toScript(startAndWait, ...wrap(argv, { options: ['--detach'] })) },
        attached: { argv: wrap(argv, { stream: true }) },
      };
    },
  },
  logs: {
    letter: 'l',
    title: '64 MiB out of a log',
    take: 'out',
    ...toHalfOfAttached('logs'),
    order: { rounds: 20, unrecorded: 2, size: 64 * MIB },
    prepare: (wrap, _dir, { here, size }) => {
      const options = ['--detach', '--log-size', '128MiB'];
      const argv = wrap(['head', '-c', String(size), '/dev/zero'], { options });
      return toScript(startAndNote, `${here}/exec-id`, ...argv);
    },
    commands: (wrap, _dir, { here, sbx, size }) => ({
      sbx: { argv: toScript('read -r id <"$2" && exec "$1" logs "$id"', sbx, `${here}/exec-id`) },
      attached: { argv: wrap(['head', '-c', String(size), '/dev/zero'], { stream: true }) },
    }),
  },
  resume: {
    letter: 'm',
    title: 'from a cut to the next byte that was written after it',
    take: 'resume',
    unit: 'ms',
    scale: 1000,
    hasP99: true,
    ...toForms({ sbx: 'sbx exec' }),
    order: { rounds: 5, unrecorded: 1, block: 60, pause: 0.05 },
    commands: (wrap, _dir, { here, socket }) => {
      const path = `${here}/cut.sock`;
      const argv = wrap([python, '-c', writeTimes], { stream: true });
      const ours = [process.execPath, proxy, path, socket];
      return { sbx: { argv: ['env', `SBX_HOST=unix://${path}`, ...argv], proxy: ours } };
    },
  },
  held: {
    letter: 'n',
    title: 'memory of running execs whose reader sleeps',
    take: 'held',
    unit: 'MiB',
    ...toForms({ sbx: 'sbx exec' }),
    order: { rounds: 1, unrecorded: 0, count: 20, settle: 3 },
    prepare: (_wrap, _dir, own) => startAnew(own),
    commands: (wrap) => ({
      sbx: { argv: wrap(['cat', '/dev/zero'], { stream: true }), idle: wrap(['true']) },
    }),
  },
  finished: {
    letter: 'n',
    title: 'memory of 1,000 finished execs on record',
    take: 'finished',
    unit: 'MiB',
    growth: 50,
    ...toForms({ sbx: 'sbx exec' }),
    order: { rounds: 1, unrecorded: 0, count: 1000, settle: 3 },
    prepare: (_wrap, _dir, own) => startAnew(own),
    commands: (_wrap, _dir, { socket, count }) => ({
      sbx: { argv: [python, runMany, socket, String(count)] },
    }),
  },
};

function toForms(forms) {
  return { only: ['sbx'], forms };
}

function toResumeCost({ isRate = false, median }) {
  return {
    ...(isRate && { unit: 'MiB/s', scale: 1 }),
    isRate,
    median,
    reference: 'no-resume',
    ...toForms({ sbx: 'sbx exec', 'no-resume': `sbx exec ${never.join(' ')}` }),
  };
}

function toBoth(wrap, argv) {
  return {
    sbx: { argv: wrap(argv, { stream: true }) },
    'no-resume': { argv: wrap(argv, { stream: true, options: never }) },
  };
}

function toHalfOfAttached(words) {
  return {
    unit: 'MiB/s',
    scale: 1,
    isRate: true,
    median: 0.5,
    reference: 'attached',
    ...toForms({ sbx: `sbx ${words}`, attached: 'sbx exec --stream, attached' }),
  };
}
