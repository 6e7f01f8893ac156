/**
 * Keeps what V8 compiles of the program in DIST (the first argument), for bin/start.cjs. An exec without a command runs
 * what every exec runs before it connects, and ends.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [, , dist] = process.argv;
const { loadProgram } = createRequire(import.meta.url)('../bin/start.cjs');
const { script, run } = loadProgram(dist);

process.argv = [process.execPath, 'sbx', 'exec'];
process.on('exit', () => {
  writeFileSync(path.join(dist, 'main.cache'), script.createCachedData());
  process.exitCode = 0;
});
run();
