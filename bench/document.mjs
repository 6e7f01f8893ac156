import { format } from 'prettier';

/** docs/benchmarks.md, in the form the formatter asks for. */
export function toDocument({ table, machine }) {
  const text = `# Benchmarks

Written by \`npm run bench -- --write\`; the figures are of one run, on the machine it names.

${machine.join('\n')}

${table}

How it is measured:

- The contenders take turns within one run, so that what else the machine does hits all alike; the order shifts from
  round to round. "To docker exec" is the ratio of the medians, or of the p99s, of that run.
- Each contender is warm: its server runs, its sandbox or container exists. \`bwrap\` has nothing to keep and makes its
  namespaces each time; \`ssh\` makes a connection and starts the user's shell, with what that reads, each time;
  "bare" is the command itself.
- Every command has real pipes, and a small program of its own that starts it, feeds it and reads from it; what that
  program costs is in every figure, the bare one's too. Bytes are counted at the far end.
- (b) to (g) use \`sbx exec --stream\`, and \`docker exec -i\` where something is fed in.
- (c) The loops of all contenders live through the whole measure and are asked in blocks of 250 turns.
- (d), (e) MiB/s is of the whole command, its start included. Random bytes cannot be compressed and are not UTF-8.
- (f) Taken first, from servers that have done nothing yet: \`head -c 4G /dev/zero\` to a reader that sleeps 15 s, then
  reads all. The peak is the kernel's (VmHWM), compared with what the same process, or one that runs \`sleep\`, had
  resident when idle.
- (g) 50 × \`cat /dev/zero\`, each to a \`cat >/dev/null\` of its own, and one loop as in (c) beside them: three rounds of
  1,000 turns, or of what 20 s allow. Each stream writes as fast as it can, so the load differs: the sums are shown.
- (h), (i) go through \`sbx rsh\`, and are compared with the same through ssh to an sshd of this run on the loopback.
  The destination is empty each time. The repository is one commit of 2,000 random files in one pack.
- (j) to (l) compare sbx with itself, in turns as above. (j) has \`--reconnect-grace 0s\` beside it, with which no client
  comes back after a cut: it keeps nothing of what it has sent.
- (k) is from the start of \`sbx exec -d\` to the end of \`sbx wait\`: what is in the log then are the last 64 MiB.
- (l) has the same number of bytes beside it, attached, from \`head\`; both to the same pipe.
- (m) A proxy of the benchmark's own on the way to the daemon's socket cuts all connections, while the command writes a
  line with the time each millisecond. From the order to cut to the first line that was written when all were cut.
- (n) What the daemon has resident (VmRSS), each from a daemon that was just started and knows of no exec. Running:
  \`cat /dev/zero\`, whose readers read nothing, so that its window is full. Finished: \`true\`, 20 at a time, through the
  API.
`;
  return format(text, { parser: 'markdown' });
}
